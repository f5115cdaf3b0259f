"""`python -m bench.data` runs from start to end; its figures are another matter."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROMISED = {"rows_per_s_vs_plain_map", "memory_10x_rows", "useful_tokens_vs_recipe"}


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_quick_run_ends_with_every_promised_figure() -> None:
    argv = [sys.executable, "-m", "bench.data", "--quick"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=390)
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads(done.stdout.splitlines()[-1])
    assert result.keys() >= PROMISED
    assert all(result[figure] > 0 for figure in PROMISED)
    assert result["held_out_loss"].keys() == {"recipe", "grouped", "ours"}
