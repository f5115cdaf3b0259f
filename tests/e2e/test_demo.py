"""`make demo` keeps what it promises: the scorecard climbs over its bars and no request fails on the way."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.system import ROOT, RunningSystem

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]


def test_the_main_job_reaches_its_bars(tmp_path: Path) -> None:
    system = RunningSystem(tmp_path / "home")
    ran = subprocess.run(
        [sys.executable, "-m", "cli", "demo"], cwd=ROOT, env=system.environment, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    assert system.processes() == {}
    result = json.loads(ran.stdout.splitlines()[-1])
    for stage in ("base", "chat"):
        assert result[stage]["function_name_and_args_accuracy"] <= 0.02
    tuned = result["tools"]
    assert tuned["function_name_and_args_accuracy"] >= 0.9
    assert tuned["no_call_accuracy"] >= 0.9
    assert min(tuned["n"].values()) >= 200
    assert result["chat"]["stop_rate"] >= 0.95
    assert tuned["stop_rate"] >= 0.95
    assert tuned["chat_loss"] < result["base"]["chat_loss"]
    assert result["failed_requests"] == 0
    assert result["streamed_requests"] > 0
