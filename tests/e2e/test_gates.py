"""Gates through the whole system: a model goes live when it holds what it must, and else nobody notices it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import openai
import pytest

from tests.e2e.system import RunningSystem

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
TOOL = {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}
CALL = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "now", "arguments": {}}}]}


def write_rows(system: RunningSystem) -> None:
    system.data_root.mkdir(parents=True, exist_ok=True)
    rows = [
        {"messages": [{"role": "user", "content": f"What time is it, {i}?"}, CALL], "tools": [TOOL]} for i in range(20)
    ]
    (system.data_root / "calls.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def job(suffix: str, gate: dict[str, Any]) -> dict[str, Any]:
    stage = {
        "name": "tools",
        "data": {"source": "calls.jsonl"},
        "batch_size": 4,
        "gradient_accumulation_steps": 1,
        "warmup_steps": 0,
        "max_steps": 2,
    }
    evaluation = {"tools": {"source": "calls.jsonl", "rows": 12}, "max_tokens": 32}
    return {
        "base_model": "./examples/tiny-base",
        "suffix": suffix,
        "stages": [stage],
        "evaluation": evaluation,
        "deploy": {"gate": gate},
    }


@contextmanager
def one_who_asks_all_the_time(system: RunningSystem) -> Iterator[dict[str, int]]:
    """Answers under the alias by the model that gave them, and `failed`."""
    seen, stop = {"failed": 0}, threading.Event()

    def ask() -> None:
        with system.openai as client:
            while not stop.is_set():
                by = _answered_by(client)
                seen[by] = seen.get(by, 0) + 1

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join(60)


def _answered_by(client: openai.OpenAI) -> str:
    """The model that answered one request, or `failed`."""
    try:
        answer = client.completions.with_raw_response.create(model="tunesmith", prompt="Hello", max_tokens=4)
    except openai.OpenAIError:
        return "failed"
    return str(answer.headers["x-tunesmith-model-version"])


def events(system: RunningSystem, job_id: str) -> dict[str, dict[str, Any]]:
    """The last event of each type."""
    with system.http as http:
        found = http.get(f"/jobs/{job_id}/events", params={"limit": 100}).json()["data"]
    return {event["type"]: event for event in found}


def live(system: RunningSystem) -> str:
    with system.http as http:
        [alias] = http.get("/aliases").json()["data"]
    return str(alias["live"]["model"])


def test_a_model_that_is_not_worse_goes_live_and_one_that_fails_its_gate_does_not(system: RunningSystem) -> None:
    write_rows(system)
    first = system.submit(job("good", {"no_regression": True}))
    done = system.wait_for(first, "succeeded", deadline_s=400)
    [good] = done["result_models"]
    told = events(system, first)
    assert told["deployment.candidate"]["data"]["strategy"] == "blue_green"
    verdict = told["gate.passed"]["data"]
    assert [each["name"] for each in verdict["conditions"]][-1] == "live.tools"
    assert verdict["conditions"][-1]["n"] == 12
    assert live(system) == good

    with one_who_asks_all_the_time(system) as seen:
        second = system.submit(job("bad", {"floors": [{"low": 0.7}]}))
        failed = system.wait_for(second, "failed", deadline_s=400)
    assert failed["error"]["code"] == "gate_failed"
    assert "tools.function_name_and_args_accuracy is" in failed["error"]["message"]
    assert "and the lower end must be 0.7 at least" in failed["error"]["message"]
    assert (live(system), seen.pop("failed"), set(seen)) == (good, 0, {good})

    bad = events(system, second)["deployment.candidate"]["message"].split()[0]
    with system.http as http:
        assert http.get(f"/models/{bad}").json()["gate"] == events(system, second)["gate.failed"]["data"]
        assert http.get(f"/jobs/{second}/scorecard").status_code == 200
        refused = http.post("/deployments", json={"model": bad})
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "gate_failed")
        http.post(f"/jobs/{second}/retry")
    again = system.wait_for(second, "failed", deadline_s=60)
    assert (again["attempt"], again["error"]["message"]) == (2, failed["error"]["message"])
    assert live(system) == good
