"""A served model is measured by a real vLLM; a run that is killed goes on, and comes to the very same result."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.spec import EvaluationSpec
from core.storage import read_json
from tests.conftest import Services
from tests.inference.conftest import gateway, gateway_env  # noqa: F401  the fixtures of a gateway with a vLLM
from tests.inference.gateway import Gateway
from tests.waiting import wait_until
from tests.worker.conftest import TINY_BASE
from tests.worker.training import events, run_to_end, start
from worker.stages.evaluate_run import EvaluationRun

LEADERBOARD = Path(__file__).parents[3] / "shared" / "data" / "bfcl"
MODEL = "tiny-base"
QUESTIONS = 40
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"x": {}}}}}


@pytest.fixture(autouse=True, scope="module")
def key(services: Services) -> Iterator[None]:
    """The key in the environment of the programs."""
    patch = pytest.MonkeyPatch()
    patch.setenv("OPENAI_API_KEY", services.admin_key)
    yield
    patch.undo()


def evaluation(folder: Path, running: Gateway, data_root: Path, **spec: Any) -> Path:
    """A run directory for the evaluation of the base."""
    run = folder / "run"
    run.mkdir(parents=True)
    wanted = EvaluationSpec.model_validate({"max_tokens": 24, "concurrency": 4, **spec})
    described = EvaluationRun(
        base_url=f"{running.url}/v1",
        model=MODEL,
        tokenizer=str(TINY_BASE),
        data_root=str(data_root),
        files_root=str(data_root / "files"),
        suites=wanted.named_suites(),
        chat=wanted.chat,
        speed=False,
        max_tokens=wanted.max_tokens,
        concurrency=wanted.concurrency,
    )
    (run / "evaluation.json").write_text(described.model_dump_json())
    return run


def write_rows(folder: Path) -> dict[str, Any]:
    """Held-out rows of both kinds, and chat rows; the part of a spec that names them."""
    folder.mkdir()
    with (folder / "held.jsonl").open("w") as held, (folder / "chat.jsonl").open("w") as chat:
        for number in range(QUESTIONS):
            question = {"role": "user", "content": f"Do the thing number {number}, and tell me of it at length."}
            words = {"role": "assistant", "content": f"I cannot do {number}."}
            call = {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {"x": number}}}]}
            answer = call if number % 2 else words
            held.write(json.dumps({"messages": [question, answer], "tools": [TOOL]}) + "\n")
            chat.write(json.dumps({"messages": [question, words]}) + "\n")
    return {"tools": {"source": "held.jsonl"}, "chat": {"source": "chat.jsonl", "rows": 10}}


def asked(run: Path) -> list[str]:
    """The requests that were answered so far."""
    path = run / "asked.jsonl"
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line)["request"] for line in lines if line.endswith(b"\n")]


def scores(run: Path) -> dict[str, Any]:
    """What was measured, but for the time that it took."""
    return {name: value for name, value in read_json(run / "evaluate.json").items() if name != "evaluate_s"}


def counted(running: Gateway, name: str) -> float:
    """The gateway's requests for the model of that metric, whatever their paths and answers."""
    page = httpx.get(f"{running.url}/metrics", headers={"authorization": f"Bearer {running.key}"}).text
    lines = [line for line in page.splitlines() if line.startswith(f'tunesmith_{name}_total{{model="{MODEL}"')]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


@pytest.mark.timeout(300)
def test_a_run_that_is_killed_asks_only_what_is_missing_and_comes_to_the_same(
    gateway: Gateway,  # noqa: F811
    tmp_path: Path,
) -> None:
    spec = write_rows(tmp_path / "data")
    whole = evaluation(tmp_path / "whole", gateway, tmp_path / "data", **spec)
    assert run_to_end("evaluate", whole) == 0, events(whole, "error")
    broken = evaluation(tmp_path / "broken", gateway, tmp_path / "data", **spec)
    for answers in (5, 45):
        program = start("evaluate", broken)
        wait_until(lambda: len(asked(broken)) >= answers, 60, 0.005)  # noqa: B023  called at once
        program.kill()
        program.wait(20)
        assert not (broken / "evaluate.json").exists()
    with (broken / "asked.jsonl").open("ab") as file:
        file.write(b'{"request": "torn')
    assert run_to_end("evaluate", broken) == 0, events(broken, "error")

    requests = asked(broken)
    assert len(requests) == len(set(requests)) == QUESTIONS + 9 + 2 * 10
    assert sorted(requests) == sorted(asked(whole))
    assert (broken / "answers.jsonl").read_bytes() == (whole / "answers.jsonl").read_bytes()
    assert json.dumps(scores(broken)) == json.dumps(scores(whole))
    # Killed programs may have left a few requests without taking the answers; none of all is counted as a user's.
    assert counted(gateway, "evaluation_requests") >= 2 * len(requests)
    assert counted(gateway, "requests") == 0


def test_every_row_of_a_suite_is_kept_with_its_verdict(gateway: Gateway, tmp_path: Path) -> None:  # noqa: F811
    spec = write_rows(tmp_path / "data")
    del spec["chat"]
    run = evaluation(tmp_path / "job", gateway, tmp_path / "data", **spec)
    assert run_to_end("evaluate", run) == 0, events(run, "error")
    rows = [json.loads(line) for line in (run / "answers.jsonl").read_bytes().splitlines()]
    assert [(row["suite"], row["row"]) for row in rows] == [("tools", n) for n in range(QUESTIONS)]
    assert [row["expects_call"] for row in rows] == [bool(n % 2) for n in range(QUESTIONS)]
    assert rows[1]["expected"] == [{"name": "f", "arguments": {"x": [1]}, "optional": []}]
    assert rows[1]["fault"].startswith("nothing was called where f is right")
    measured = scores(run)
    assert (measured["version"], measured["headline"], measured["chat"]) == (2, "tools", None)
    assert measured["suites"]["tools"]["no_call_accuracy"]["n"] == QUESTIONS / 2
    right = sum(row["correct"] for row in rows if not row["expects_call"])
    assert round(measured["suites"]["tools"]["no_call_accuracy"]["value"] * QUESTIONS / 2) == right
    assert [prompt["expected"] == "" for prompt in measured["prompts"]] == [False] * 8 + [True]


@pytest.mark.skipif(not LEADERBOARD.exists(), reason="the leaderboard's files are not here")
def test_the_leaderboards_files_are_measured_as_they_are(gateway: Gateway, tmp_path: Path) -> None:  # noqa: F811
    accepted = {name: {"accepted": f"possible_answer/{name}.jsonl"} for name in ("simple_python", "multiple")}
    names = (*accepted, "irrelevance")
    suites = {name: {"source": f"{name}.jsonl", "rows": 15, **accepted.get(name, {})} for name in names}
    run = evaluation(tmp_path / "job", gateway, LEADERBOARD, suites=suites)
    assert run_to_end("evaluate", run) == 0, events(run, "error")
    measured = scores(run)["suites"]
    assert {name: (suite["kind"], suite["rows"]) for name, suite in measured.items()} == dict.fromkeys(
        names, ("bfcl", 15)
    )
    for name in accepted:
        assert measured[name]["function_name_and_args_accuracy"]["n"] == 15
        assert measured[name]["no_call_accuracy"] is None
    assert measured["irrelevance"]["no_call_accuracy"]["n"] == 15
