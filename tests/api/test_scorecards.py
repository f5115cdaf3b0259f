"""The scorecard in its forms, and the answers that it was made from."""

import httpx
import pytest

from tests.api.bodies import RECIPE
from tests.core.measured import Row, measure
from tests.core.sessions import new_model

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def job_id(client: httpx.Client) -> str:
    return str(client.post("/jobs", json=RECIPE).json()["id"])


@pytest.fixture
def url(client: httpx.Client, job_id: str) -> str:
    """Of a job whose second stage wins four rows and loses one."""
    measure(job_id, "chat", *(Row(f"{HOSTILE} {n}", n == 4) for n in range(6)))
    measure(job_id, "tools", *(Row(f"{HOSTILE} {n}", n < 4) for n in range(6)))
    return f"/jobs/{job_id}"


def test_it_is_json_unless_something_else_is_asked_for(client: httpx.Client, url: str, job_id: str) -> None:
    for accept in ("*/*", "application/json", "text/plain", "text/html;q=0.5, application/json", "text/html;q=none"):
        answer = client.get(f"{url}/scorecard", headers={"accept": accept})
        assert answer.headers["content-type"] == "application/json", accept
    card = answer.json()
    assert (card["object"], card["job_id"], card["status"]) == ("job.scorecard", job_id, "queued")
    assert [stage["name"] for stage in card["stages"]] == ["chat", "tools"]
    figures = card["stages"][1]["scores"]["suites"]["tools"]["function_name_and_args_accuracy"]
    assert figures == {"value": 0.6667, "n": 6, "low": 0.3, "high": 0.9032}
    paired = card["comparisons"][0]["suites"]["tools"]
    assert (paired["won"], paired["lost"], paired["n"], paired["difference"]) == (4, 1, 6, "no_difference")
    assert len(paired["examples_won"]) == 4


def test_it_is_markdown_when_asked_for(client: httpx.Client, url: str) -> None:
    by_header = client.get(f"{url}/scorecard", headers={"accept": "text/markdown"})
    by_name = client.get(f"{url}/scorecard?format=markdown", headers={"accept": "application/json"})
    assert by_header.text == by_name.text
    assert by_header.headers["content-type"] == "text/markdown; charset=utf-8"
    assert by_header.text.startswith("# Scorecard of ftjob-")
    assert client.get(f"{url}/scorecard?format=pdf").json()["error"]["param"] == "format"


def test_as_many_examples_are_shown_as_are_asked_for(client: httpx.Client, url: str) -> None:
    paired = client.get(f"{url}/scorecard?examples=2").json()["comparisons"][0]["suites"]["tools"]
    assert [len(paired[name]) for name in ("examples_won", "examples_lost")] == [2, 1]
    assert client.get(f"{url}/scorecard?examples=101").json()["error"]["param"] == "examples"


def test_a_job_without_scores_says_when_there_will_be_some(client: httpx.Client, job_id: str) -> None:
    answer = client.get(f"/jobs/{job_id}/scorecard")
    assert answer.status_code == 404
    assert "has no scores yet" in answer.json()["error"]["message"]


def test_the_answers_are_paged(client: httpx.Client, url: str) -> None:
    seen: list[str] = []
    after: dict[str, str] = {}
    while True:
        page = client.get(f"{url}/answers", params={"limit": 5, **after}).json()
        seen += [answer["id"] for answer in page["data"]]
        if not page["has_more"]:
            break
        after = {"after": page["last_id"]}
    assert seen == [f"{stage}:tools:{n}" for stage in ("chat", "tools") for n in range(6)]


def test_every_example_can_be_opened_with_the_older_models_answer(client: httpx.Client, url: str) -> None:
    answers = {
        verdict: client.get(f"{url}/answers", params={"stage": "tools", "verdict": verdict}).json()["data"]
        for verdict in ("won", "lost", "right", "wrong")
    }
    assert {verdict: len(found) for verdict, found in answers.items()} == {"won": 4, "lost": 1, "right": 4, "wrong": 2}
    [lost] = answers["lost"]
    assert lost["question"] == f"{HOSTILE} 4"
    assert lost["answer"]["fault"] == "no call where one was expected"
    assert lost["older"]["correct"] is True
    assert answers["right"][0]["older"] is None


def test_two_models_are_compared_on_what_both_were_measured_on(client: httpx.Client, job_id: str) -> None:
    older, newer = new_model("ft:older"), new_model("ft:newer")
    measure(job_id, "chat", Row("a", False), Row("b", True), Row("only here", True), model=older)
    other = client.post("/jobs", json=RECIPE).json()["id"]
    measure(other, "tools", Row("b", True), Row("a", True), Row("other", True, suite="other"), model=newer)
    compared = client.get(f"/models/{newer}/compare/{older}").json()
    assert (compared["reason"], compared["older"]["model"], list(compared["suites"])) == ("asked", older, ["tools"])
    paired = compared["suites"]["tools"]
    assert (paired["n"], paired["won"], paired["lost"]) == (2, 1, 0)
    assert [example["question"] for example in paired["examples_won"]] == ["a"]
    assert client.get(f"/models/{newer}/compare/ft:none").json()["error"]["code"] == "not_found"


@pytest.mark.parametrize(
    ("query", "status", "param"),
    [
        ("stage=tool", 422, "stage"),
        ("verdict=good", 422, "verdict"),
        ("verdict=won", 422, "stage"),
        ("stage=chat&verdict=lost", 422, "against"),
        ("after=tools:1", 404, "after"),
        ("limit=0", 422, "limit"),
        ("suite=%00", 422, None),
    ],
)
def test_a_wrong_query_names_what_is_wrong(
    client: httpx.Client, url: str, query: str, status: int, param: str | None
) -> None:
    answer = client.get(f"{url}/answers?{query}")
    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param), answer.text
