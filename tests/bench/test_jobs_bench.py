"""`python -m bench.jobs` runs from start to end; its figures are another matter."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROMISED = {"post_vs_floor", "get_vs_floor", "post_p99_ms", "errors_5xx", "list_1m_vs_1k", "start_overhead_s"}


def test_a_quick_run_ends_with_every_promised_figure() -> None:
    argv = [sys.executable, "-m", "bench.jobs", "--quick"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads(done.stdout.splitlines()[-1])
    assert result.keys() >= PROMISED
    assert (result["errors_5xx"], result["answers_unexpected"]) == (0, 0)
    assert result["list_rows"] < 1_000_000  # and so nobody can take it for a measurement
    # Doing everything that the floor does, and storing it too, cannot be much faster.
    assert 0 < result["post_vs_floor"] < 2
    assert len(result["list_ratios"]) == 11
