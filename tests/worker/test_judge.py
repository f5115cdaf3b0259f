"""A judge compares two models' answers in both orders, and its failure is told without failing anything."""

from pathlib import Path
from typing import Any

import pytest

from core.chat_regression import ChatRow
from core.judge_url import JudgeEndpoint
from core.spec import JudgeSpec
from tests.worker.judge_server import Json, Response, judge_server
from worker.stages.answer_log import AnswerLog
from worker.stages.chat_quality import ChatAnswer
from worker.stages.judge import Judge, JudgeFailed, Pair
from worker.stages.run_dir import RunDir

SECRET = "the-key-of-the-judge"


def answer(number: int, content: str) -> ChatAnswer:
    row = ChatRow(
        key=f"row {number}", nats=1, tokens=1, answer_tokens=1, reference_tokens=1,
        stopped=True, empty=False, repetitive=False,
    )  # fmt: skip
    return ChatAnswer(messages=[{"role": "user", "content": f"question {number}"}], content=content, row=row)


def pairs(*answers: tuple[str, str]) -> list[Pair]:
    """By row, what the earlier and the newer model said."""
    return [(answer(number, earlier), answer(number, newer)) for number, (earlier, newer) in enumerate(answers)]


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return RunDir(tmp_path)


async def verdicts(
    run: RunDir,
    url: str,
    asked: list[Pair],
    *,
    api_key: str | None = None,
    must_be_public: bool = False,
    rows: int = 50,
) -> dict[str, Any]:
    spec = JudgeSpec(base_url=url, model="judge", rows=rows)
    with AnswerLog(run.path / "asked.jsonl") as log:
        return await Judge(run, spec, JudgeEndpoint(url, api_key, must_be_public), log).compare("chat", asked)


def prefers(word: str) -> Any:
    """A judge that prefers the answer with the word, and else says that both are the same."""

    def reply(compared: Json) -> Response:
        a, b = (word in compared[f"answer_{place}"] for place in "AB")
        return Response("TIE" if a == b else "A" if a else "B")

    return reply


async def test_wins_ties_and_losses_are_the_newer_models(run: RunDir) -> None:
    asked = pairs(("bad", "good"), ("bad", "good"), ("good", "bad"), ("bad", "worse"), ("fine", "fine"))
    with judge_server(prefers("good")) as server:
        found = await verdicts(run, server.url, asked)
    assert (found["wins"], found["ties"], found["losses"]) == (2, 2, 1)
    assert (found["rows"], found["identical"], found["disagreed"], found["unreadable"]) == (5, 1, 0, 0)
    assert (found["model"], found["against"]) == ("judge", "chat")
    assert found["win_rate"]["value"] == 0.4
    assert found["win_rate"]["n"] == 5
    assert found["p_value"] == 1
    assert len(server.requests) == 8, "an answer that is the same needs no judge"
    assert all(request["temperature"] == 0 for request in server.requests)


async def test_both_orders_are_asked(run: RunDir) -> None:
    with judge_server(prefers("good")) as server:
        await verdicts(run, server.url, pairs(("bad", "good")))
    assert [(each["answer_A"], each["answer_B"]) for each in server.compared] == [("good", "bad"), ("bad", "good")]


async def test_a_judge_that_always_prefers_the_first_place_makes_ties(run: RunDir) -> None:
    with judge_server(lambda compared: Response("A")) as server:
        found = await verdicts(run, server.url, pairs(("one", "two"), ("three", "four")))
    assert (found["wins"], found["ties"], found["losses"], found["disagreed"]) == (0, 2, 0, 2)


async def test_what_cannot_be_read_is_counted_and_left_out_of_the_shares(run: RunDir) -> None:
    def reply(compared: Json) -> Response:
        return Response("I cannot say" if "odd" in str(compared) else "TIE")

    with judge_server(reply) as server:
        found = await verdicts(run, server.url, pairs(("one", "two"), ("odd", "two"), ("three", "four")))
    assert (found["rows"], found["unreadable"], found["ties"]) == (3, 1, 2)
    assert found["tie_rate"]["n"] == 2


@pytest.mark.parametrize("body", [b"<html>Welcome</html>", b"{}", b'{"choices": []}', b"null", b"\xff\xfe"])
async def test_an_endpoint_that_is_no_model_makes_unreadable_rows(run: RunDir, body: bytes) -> None:
    with judge_server(lambda compared: Response(body=body)) as server:
        found = await verdicts(run, server.url, pairs(("one", "two")))
    assert found["unreadable"] == 1
    assert found["win_rate"] is None


async def test_what_was_judged_before_is_not_asked_again(run: RunDir) -> None:
    asked = pairs(("bad", "good"), ("good", "bad"))
    with judge_server(prefers("good")) as server:
        first = await verdicts(run, server.url, asked[:1])
        both = await verdicts(run, server.url, asked)
        assert len(server.requests) == 4
    assert (first["wins"], both["wins"], both["losses"]) == (1, 1, 1)


async def test_only_as_many_rows_are_judged_as_were_asked_for(run: RunDir) -> None:
    with judge_server(prefers("good")) as server:
        found = await verdicts(run, server.url, pairs(*[("bad", "good")] * 9), rows=3)
    assert found["rows"] == found["wins"] == 3


async def test_the_key_is_sent_where_it_belongs_and_never_the_services_own(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "the-admin-key-of-this-service")
    with judge_server(prefers("good")) as server:
        await verdicts(run, server.url, pairs(("bad", "good")), api_key=SECRET)
        await verdicts(run, server.url, pairs(("worse", "good")))
    assert server.authorizations == [f"Bearer {SECRET}"] * 2 + ["Bearer none"] * 2


async def test_a_refusal_is_told_without_what_the_endpoint_sent(run: RunDir) -> None:
    def reply(compared: Json) -> Response:
        return Response(status=401, body=f'{{"error": {{"message": "bad key {SECRET}"}}}}'.encode())

    with judge_server(reply) as server, pytest.raises(JudgeFailed, match="answered 401") as failed:
        await verdicts(run, server.url, pairs(("one", "two")), api_key=SECRET)
    assert SECRET not in str(failed.value)


async def test_a_judge_that_is_not_there_is_told(run: RunDir) -> None:
    with judge_server(prefers("good")) as server:
        pass
    with pytest.raises(JudgeFailed, match="cannot be reached"):
        await verdicts(run, server.url, pairs(("one", "two")))


async def test_a_private_address_is_not_even_connected_to(run: RunDir) -> None:
    with judge_server(prefers("good")) as server, pytest.raises(JudgeFailed, match="not at a public address"):
        await verdicts(run, server.url, pairs(("one", "two")), must_be_public=True)
    assert server.requests == []


async def test_a_redirect_is_not_followed(run: RunDir) -> None:
    with judge_server(prefers("good")) as inner:
        moved = Response(status=307, headers={"location": f"{inner.url}/chat/completions"})
        with judge_server(lambda compared: moved) as server, pytest.raises(JudgeFailed, match="answered 307"):
            await verdicts(run, server.url, pairs(("one", "two")))
    assert inner.requests == []
