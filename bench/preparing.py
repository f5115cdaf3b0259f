"""How fast rows become tokens, against `bench/plain_map.py`, and how much memory that takes as the rows grow."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

from bench.corpus import write_rows
from core.spec import DatasetSpec, StageSpec
from core.storage import read_json
from worker.stages.run_dir import StageRun

ROOT = Path(__file__).parent.parent
TOKENIZER = ROOT / "examples" / "tiny-base"
MAX_LENGTH = 2048
MIB = 2**20
_OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


def compare(rows: int, rounds: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Rows a second, side by side, over chat rows and tool rows; ratios are medians over the rounds."""
    ratios: list[float] = []
    speeds: dict[str, list[float]] = {"plain": [], "ours": []}
    with tempfile.TemporaryDirectory() as folder:
        write_rows(Path(folder), rows)
        for number in range(rounds):
            plain = sum(_plain_s(Path(folder) / f"{name}.jsonl") for name in ("chat", "tools"))
            ours = sum(_prepared(Path(folder), name, f"{name}-{number}")["prepare_s"] for name in ("chat", "tools"))
            ratios.append(plain / ours)
            speeds["plain"].append(2 * rows / plain)
            speeds["ours"].append(2 * rows / ours)
            say(f"rows: {speeds['plain'][-1]:,.0f}/s plainly, {speeds['ours'][-1]:,.0f}/s here")
    return {
        "rows_per_s_vs_plain_map": round(median(ratios), 2),
        "rows_per_s": {name: round(median(values)) for name, values in speeds.items()},
    }


def memory(rows: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Peak memory of all processes of a preparation with mixed-in rows, over so many rows and ten times as many."""
    peaks = []
    for count in (rows, 10 * rows):
        with tempfile.TemporaryDirectory() as folder:
            write_rows(Path(folder), count)
            peaks.append(_prepared(Path(folder), "tools", "run", mixed=True)["peak_bytes"])
            say(f"memory: {peaks[-1] / MIB:,.0f} MiB for {count:,} rows")
    return {"memory_10x_rows": round(peaks[1] / peaks[0], 3), "memory_mb": [round(peak / MIB) for peak in peaks]}


def _plain_s(path: Path) -> float:
    argv = [sys.executable, "-m", "bench.plain_map", str(path), str(TOKENIZER), str(MAX_LENGTH)]
    done = subprocess.run(argv, cwd=ROOT, env={**os.environ, **_OFFLINE}, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1])["seconds"])


def _prepared(folder: Path, name: str, run_name: str, *, mixed: bool = False) -> dict[str, Any]:
    """What `python -m worker.stages.prepare` counts, and the most memory that it had."""
    fractions = {"no_call_fraction": 0.1, "replay_fraction": 0.05} if mixed else {}
    stage = StageSpec(name=name, data=DatasetSpec(source=f"{name}.jsonl"), max_seq_length=MAX_LENGTH, **fractions)
    spec = StageRun(
        job_id="bench",
        stage=stage,
        seed=1,
        model=str(TOKENIZER),
        tokenizer=str(TOKENIZER),
        model_name="bench",
        data_root=str(folder),
        replay=DatasetSpec(source="chat.jsonl") if mixed else None,
        output=str(folder / "merged"),
    )
    run = folder / run_name
    run.mkdir()
    (run / "spec.json").write_text(spec.model_dump_json())
    with (run / "log").open("wb") as log:
        argv = [sys.executable, "-m", "worker.stages.prepare", str(run)]
        program = subprocess.Popen(argv, cwd=ROOT, env={**os.environ, **_OFFLINE}, stdout=log, stderr=log)
        peak = 0
        while program.poll() is None:
            peak = max(peak, sum(map(_resident_bytes, _family(program.pid))))
            time.sleep(0.2)
    if program.returncode != 0:
        sys.exit((run / "log").read_text() + (run / "events.jsonl").read_text())
    return {**read_json(run / "prepare.json"), "peak_bytes": peak}


def _family(pid: int) -> Iterator[int]:
    """The process and all that it has started."""
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:  # it has ended
        return
    for child in children:
        yield from _family(int(child))


def _resident_bytes(pid: int) -> int:
    """Memory of a process, where what it shares with others counts in part."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has ended
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
