"""A job made again from its manifests: the adapters are the same to the last bit, and so is the scorecard."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from cli.example_data import make_example_data
from tests.e2e.system import RunningSystem

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]
TIMES = {"evaluate_s", "speed"}


def spec() -> dict[str, Any]:
    """Two short stages, measured on a few held-out rows."""
    small = {"max_steps": 6, "warmup_steps": 2, "learning_rate": 0.002, "gradient_accumulation_steps": 1}
    return {
        "base_model": "./examples/tiny-base",
        "stages": [
            {"name": "chat", "data": {"source": "demo/chat.train.jsonl"}, "max_seq_length": 768, **small},
            {
                "name": "tools",
                "data": {"source": "demo/tools.train.jsonl", "rows": 400},
                "max_seq_length": 1536,
                "replay_fraction": 0.1,
                **small,
            },
        ],
        "evaluation": {
            "tools": {"source": "demo/tools.heldout.jsonl", "rows": 40},
            "chat": {"source": "demo/chat.heldout.jsonl", "rows": 10},
            "max_tokens": 48,
        },
        "deploy": {"when": "last_stage"},
    }


def adapters(system: RunningSystem, job_id: str) -> dict[str, str]:
    """The digest of every adapter's weights: each stage's own, and that of all stages so far beside its model."""
    storage = system.home / "storage"
    found = {
        f"{path.parents[2].name}: own": path for path in storage.glob(f"jobs/{job_id}/*/run-*/adapter/*.safetensors")
    }
    found |= {f"{path.parents[1].name}: all": path for path in storage.glob(f"models/{job_id}/*/adapter/*.safetensors")}
    return {name: _sha256(path) for name, path in found.items()}


def scores(system: RunningSystem, job_id: str) -> dict[str, Any]:
    """What was measured of the last stage's model, but for what times it."""
    path = system.home / "storage" / "models" / job_id / "tools" / "evaluation.json"
    return {name: value for name, value in json.loads(path.read_bytes()).items() if name not in TIMES}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_rerun_makes_the_same_adapters_and_the_same_scorecard(system: RunningSystem) -> None:
    make_example_data(system.data_root)
    first = system.submit(spec())
    system.wait_for(first, "succeeded", deadline_s=400)
    with system.http as http:
        again = http.post(f"/jobs/{first}/rerun").json()
    assert again["rerun_of"] == first
    job = system.wait_for(again["id"], "succeeded", deadline_s=400)

    made = adapters(system, first)
    assert made.keys() == {"chat: own", "chat: all", "tools: own", "tools: all"}
    assert adapters(system, again["id"]) == made
    with system.http as http:
        models = [http.get(f"/jobs/{job_id}").json()["result_models"] for job_id in (first, again["id"])]
        files = [[http.get(f"/models/{name}/manifest").json()["files"] for name in names] for names in models]
        text = http.get(f"/models/{job['result_models'][-1]}/card").text
    assert files[0] == files[1]
    assert scores(system, first) == scores(system, again["id"])
    folder = system.home / "storage" / "models" / again["id"] / "tools"
    assert (folder / "README.md").read_text(encoding="utf-8") == text
