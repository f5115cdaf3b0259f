"""`python -m bench.swap` runs from start to end, and no swap that it makes fails a request."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.successors import BASE
from core.settings import Settings

ROOT = Path(__file__).parents[2]
PROMISED = {"stage_s", "drain_s", "commit_s", "check_s", "stall_p50", "stall_max", "stall_bar_s", "restart_vs_swap"}


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.timeout(600)
def test_a_quick_run_ends_with_every_promised_figure() -> None:
    if not (BASE / "config.json").exists() or not (ROOT / Settings.model_fields["vllm_python"].default).exists():
        pytest.skip("there is no tiny base, or no vLLM")
    argv = [sys.executable, "-m", "bench.swap", "--quick"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=590)
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads(done.stdout.splitlines()[-1])
    assert result.keys() >= PROMISED
    assert result["swaps"] == 2  # and so nobody can take it for a measurement
    assert (result["failed"], result["mixed"]) == (0, 0)
    assert (result["restarts"]["failed"], result["restarts"]["mixed"]) == (0, 0)
    assert result["requests"] >= 3 * result["prompts"]
