"""`python -m bench.memory` runs from start to end, and its smallest case meets the bar."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_quick_run_ends_with_a_prediction_that_meets_the_measurement() -> None:
    argv = [sys.executable, "-m", "bench.memory", "--quick"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["worst_error"] <= result["bar"] == 0.15
    assert len(result["cases"]) == 1
    assert result["cases"][0]["measured_mib"] > result["baseline_mib"] > 100
