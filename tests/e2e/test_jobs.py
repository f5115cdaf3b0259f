"""Jobs through the whole system: real Postgres, Valkey, Celery, Unsloth and vLLM; only few steps."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.system import ROOT, RunningSystem
from tests.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
STEP_AND_2_S = 4.0  # a step here takes a second at most, and asking for the state another
SHARED_DATA = ROOT.parent / "shared" / "data"


def stage(source: str, **options: Any) -> dict[str, Any]:
    return {
        "name": "tools",
        "data": {"source": source},
        "batch_size": 4,
        "gradient_accumulation_steps": 1,
        "warmup_steps": 1,
        "max_seq_length": 1024,
        **options,
    }


def spec(*stages: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"base_model": "./examples/tiny-base", "stages": list(stages), **options}


def write_rows(system: RunningSystem, count: int) -> str:
    rows = "".join(
        f'{{"messages": [{{"role": "user", "content": "Say {i}"}}, {{"role": "assistant", "content": "{i}"}}]}}\n'
        for i in range(count)
    )
    system.data_root.mkdir(parents=True, exist_ok=True)
    (system.data_root / "rows.jsonl").write_text(rows)
    return "rows.jsonl"


@pytest.mark.skipif(not SHARED_DATA.exists(), reason="the folder with real public rows is not here")
def test_real_public_rows_become_a_served_model(system: RunningSystem) -> None:
    system.data_root.mkdir(parents=True, exist_ok=True)
    shutil.copy(SHARED_DATA / "glaive_toolcall_300.json", system.data_root)
    job_id = system.submit(spec(stage("glaive_toolcall_300.json", max_steps=3), suffix="glaive"))
    job = system.wait_for(job_id, "succeeded")

    assert job["device"]["backend"] == "cpu"
    assert job["device"]["base_weights"] == "nf4"
    with system.http as http:
        metrics = http.get(f"/jobs/{job_id}/metrics").json()["data"]
        stages = http.get(f"/jobs/{job_id}/scorecard").json()["stages"]
    assert [metric["step"] for metric in metrics] == [1, 2, 3]
    assert all(metric["loss"] > 0 and metric["grad_norm"] > 0 for metric in metrics)
    assert [stage["name"] for stage in stages] == ["base", "tools"]
    [model] = job["result_models"]
    with system.openai as client:
        answer = client.chat.completions.with_raw_response.create(
            model="tunesmith", messages=[{"role": "user", "content": "Hello"}], max_tokens=8
        )
    assert answer.headers["x-tunesmith-model-version"] == model
    assert answer.parse().model == "tunesmith"

    # Asked of the base before training, and of the model itself before it went live.
    checked = _events(system, job_id)["parity.checked"]
    assert checked["data"]["served"].startswith("base:tiny-base")
    with system.http as http:
        parity = http.get(f"/models/{model}").json()["parity"]
    assert (parity["checked"], parity["served"], parity["mismatch"]) == (True, model, None)
    assert parity["rows"] == parity["equal"] == 64
    assert set(parity["end_ids"]) <= set(parity["stop_ids"])


def test_rows_whose_calls_no_parser_reads_back_stop_the_job_before_it_trains(system: RunningSystem) -> None:
    """The model of the job before is live: made of the same base, it has the same tokenizer and template."""
    call = {"function": {"name": "write", "arguments": {"text": "</tool_call>"}}}
    said = [{"role": "user", "content": "Write it"}, {"role": "assistant", "content": "", "tool_calls": [call]}]
    row = {"messages": said, "tools": [{"type": "function", "function": {"name": "write"}}]}
    (system.data_root / "unreadable.jsonl").write_text(json.dumps(row) + "\n")
    job = system.wait_for(system.submit(spec(stage("unreadable.jsonl", max_steps=3))), "failed")
    assert job["error"]["code"] == "parity_mismatch"
    assert job["error"]["message"].startswith("stage tools: 0 of 1 sampled answers are served as they were trained")
    assert "unreadable.jsonl, row 1, messages[1]: vLLM's parser reads the calls []" in job["error"]["message"]
    with system.http as http:
        assert http.get(f"/jobs/{job['id']}/metrics").json()["data"] == []
    assert not list(_stage_dir(system, job["id"]).glob("run-*/checkpoints"))


def test_the_readmes_python_works_when_pasted(system: RunningSystem) -> None:
    [snippet] = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    shell = {"TUNESMITH_API_URL": system.url, "TUNESMITH_ADMIN_KEY": system.key}
    subprocess.run([sys.executable, "-c", snippet], env={**os.environ, **shell}, check=True, timeout=120)


def test_the_readmes_curl_works_when_pasted(system: RunningSystem) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [commands] = [block for block in re.findall(r"```sh\n(.*?)```", readme, re.DOTALL) if "curl" in block]
    shell = {"TUNESMITH_API_URL": system.url, "TUNESMITH_ADMIN_KEY": system.key}
    ran = subprocess.run(
        commands, shell=True, cwd=ROOT, env={**os.environ, **shell}, check=True, capture_output=True, text=True
    )
    posted, end = json.JSONDecoder().raw_decode(ran.stdout)
    listed = json.loads(ran.stdout[end:])
    with system.http as http:
        http.post(f"/jobs/{posted['id']}/cancel")
    assert posted["object"] == "job"
    assert posted["id"] in {job["id"] for job in listed["data"]}
    system.wait_for(posted["id"], "cancelled", deadline_s=60)


def test_a_running_job_is_cancelled_and_keeps_its_last_checkpoint(system: RunningSystem) -> None:
    job_id = system.submit(spec(stage(write_rows(system, 4000)), deploy={"when": "never"}))
    wait_until(lambda: (system.job(job_id)["progress"] or {}).get("step", 0) >= 2, 120)
    with system.http as http:
        assert http.post(f"/jobs/{job_id}/cancel").json()["status"] == "cancelling"
    system.wait_for(job_id, "cancelled", deadline_s=30)
    assert list(_stage_dir(system, job_id).glob("run-*/checkpoints/checkpoint-*/COMPLETE"))
    assert not [command for command in system.processes().values() if "worker.stages" in command]


def test_a_paused_job_saves_a_checkpoint_and_goes_on_from_it_when_resumed(system: RunningSystem) -> None:
    job_id = system.submit(spec(stage(write_rows(system, 160)), deploy={"when": "never"}))
    step = _training_step(system, job_id)
    with system.http as http:
        assert http.post(f"/jobs/{job_id}/pause").json()["status"] == "pausing"
        began = time.monotonic()
        system.wait_for(job_id, "paused", deadline_s=30)
        assert time.monotonic() - began < STEP_AND_2_S
        assert system.job(job_id)["checkpoint"]["step"] >= step
        assert http.post(f"/jobs/{job_id}/resume").json()["status"] == "queued"
    system.wait_for(job_id, "succeeded")
    _assert_every_step_once(system, job_id, 40)
    assert [run["outcome"] for run in _runs(system, job_id)] == ["paused", "succeeded"]


def test_a_worker_that_is_told_to_end_gives_its_job_back_within_ten_seconds(system: RunningSystem) -> None:
    job_id = system.submit(spec(stage(write_rows(system, 160)), deploy={"when": "never"}))
    _training_step(system, job_id)
    trainer = next(pid for pid, command in system.processes().items() if "worker.stages.sft" in command)
    main = _parent(_parent(trainer))
    os.kill(main, signal.SIGTERM)
    wait_until(lambda: not Path(f"/proc/{main}").exists(), 10)
    assert not Path(f"/proc/{trainer}").exists()

    system.wait_for(job_id, "succeeded")
    _assert_every_step_once(system, job_id, 40)
    assert [run["outcome"] for run in _runs(system, job_id)] == ["drained", "succeeded"]


def test_a_job_goes_on_where_its_killed_worker_was(system: RunningSystem) -> None:
    rows = write_rows(system, 240)
    job_id = system.submit(spec(stage(rows, checkpoint_every_steps=5), deploy={"when": "never"}))
    wait_until(lambda: bool(list(_stage_dir(system, job_id).glob("run-*/checkpoints/*/COMPLETE"))), 120)
    trainer = next(pid for pid, command in system.processes().items() if "worker.stages.sft" in command)
    os.kill(_parent(trainer), signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{trainer}").exists(), 5)

    job = system.wait_for(job_id, "succeeded")
    assert job["attempt"] == 2
    with system.http as http:
        events = http.get(f"/jobs/{job_id}/events", params={"limit": 100}).json()["data"]
        metrics = http.get(f"/jobs/{job_id}/metrics", params={"limit": 100}).json()["data"]
    assert [metric["step"] for metric in metrics] == list(range(1, 61))
    assert {"run.lost", "run.resumed"} <= {event["type"] for event in events}


def test_the_next_up_serves_the_last_model_and_nothing_is_left_between(system: RunningSystem) -> None:
    with system.http as http:
        live = [d["model"] for d in http.get("/deployments").json()["data"] if d["status"] == "live"]
    system.stop()
    assert system.processes() == {}
    system.start()
    if live:
        wait_until(lambda: _served(system) == live[0], 120)


def test_a_killed_launcher_leaves_no_orphan(system: RunningSystem) -> None:
    system.stop(signal.SIGKILL)
    wait_until(lambda: not system.processes(), 20)
    system.start()


def _events(system: RunningSystem, job_id: str) -> dict[str, dict[str, Any]]:
    """The last event of each type."""
    with system.http as http:
        events = http.get(f"/jobs/{job_id}/events", params={"limit": 100}).json()["data"]
    return {event["type"]: event for event in events}


def _training_step(system: RunningSystem, job_id: str) -> int:
    """Waits until the job trains, and returns the step it has reached."""
    wait_until(lambda: (system.job(job_id)["progress"] or {}).get("step", 0) >= 3, 120)
    step: int = system.job(job_id)["progress"]["step"]
    return step


def _runs(system: RunningSystem, job_id: str) -> list[dict[str, Any]]:
    with system.http as http:
        runs: list[dict[str, Any]] = http.get(f"/jobs/{job_id}/runs").json()["data"]
    return runs


def _assert_every_step_once(system: RunningSystem, job_id: str, steps: int) -> None:
    with system.http as http:
        metrics = http.get(f"/jobs/{job_id}/metrics", params={"limit": 100}).json()["data"]
    assert [metric["step"] for metric in metrics] == list(range(1, steps + 1))


def _served(system: RunningSystem) -> str | None:
    with system.http as http:
        answer = http.post("/v1/completions", json={"model": "tunesmith", "prompt": "Hello", "max_tokens": 1})
    return answer.headers.get("x-tunesmith-model-version") if answer.status_code == 200 else None


def _stage_dir(system: RunningSystem, job_id: str) -> Path:
    return system.home / "storage" / "jobs" / job_id / "tools"


def _parent(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[1])
