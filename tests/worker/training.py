"""Stage programs run by hand over a small run directory, as anybody may run them."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

from core.preparation import Preparation
from tests.worker.conftest import TINY_BASE
from worker.stages.run_dir import StageRun

ROOT = Path(__file__).parents[2]


def run_directory(folder: Path, *, rows: int = 10, seed: int = 1, **stage: Any) -> Path:
    """A run directory with rows of various lengths, and a small stage over them."""
    words = random.Random(seed)
    folder.mkdir(parents=True)
    with (folder / "rows.jsonl").open("w") as file:
        for number in range(rows):
            text = " ".join(words.choice(["red", "green", "blue", "one", "two"]) for _ in range(words.randint(2, 20)))
            messages = [{"role": "user", "content": f"Say {number}"}, {"role": "assistant", "content": text}]
            file.write(json.dumps({"messages": messages}) + "\n")
    run = folder / "run"
    run.mkdir()
    write_spec(run, **stage)
    return run


def write_spec(run: Path, memory_limit_bytes: int | None = None, **stage: Any) -> None:
    """Write `spec.json`; `stage` replaces fields of a stage that trains fast."""
    small = {"r": 4, "target_modules": ["q_proj", "v_proj"]}
    fields = {"batch_size": 2, "gradient_accumulation_steps": 1, "warmup_steps": 1, "learning_rate": 1e-3, **stage}
    spec = StageRun.model_validate(
        {
            "job_id": "j",
            "stage": {"name": "chat", "data": {"source": "rows.jsonl"}, "max_seq_length": 128, "lora": small, **fields},
            "seed": 1,
            "model": str(TINY_BASE),
            "tokenizer": str(TINY_BASE),
            "model_name": "m",
            "data_root": str(run.parent),
            "files_root": str(run.parent / "files"),
            "output": str(run.parent / "models" / "merged"),
            "memory_limit_bytes": memory_limit_bytes,
        }
    )
    (run / "spec.json").write_text(spec.model_dump_json())


def leave_results(run: Path) -> None:
    """What the programs before `merge` leave of ten rows and five steps, besides rows and adapter."""
    counts = {"rows_in": 10, "rows": 10, "cut": {}, "duplicates": {}, "evaluation_rows": 0, "overlap": {}}
    counts |= {"dropped": {"bad_row": {}, "too_long": {}, "nothing_trained": {}}, "no_call_unfilled": 0}
    counts |= {"kinds": {"own": 10, "no_call": 0, "replay": 0}, "lengths": [], "tokens": 500, "trained_tokens": 200}
    counts |= {"longest": 60, "longest_batch_tokens": 120, "not_stopped": {}, "steps": 5, "parity_rows": 10}
    preparation = Preparation.model_validate({**counts, "prepare_s": 1.0})
    device = {"backend": "cpu", "name": "1 threads", "base_weights": "nf4", "optimizer": "adamw_torch_fused"}
    (run / "prepare.json").write_text(preparation.model_dump_json())
    (run / "sources.json").write_text("[]")
    (run / "sft.json").write_text(json.dumps({"steps": 5, "device": device}))


def start(program: str, run: Path, log: Path | None = None, **options: Any) -> subprocess.Popen[bytes]:
    """Start a stage program; its output goes to a log next to the run directory, if nowhere else."""
    with (log or run.parent / f"{program}.log").open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", f"worker.stages.{program}", str(run)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "UNSLOTH_DISABLE_STATISTICS": "1", **cache(run)},
            **options,
        )


def cache(run: Path) -> dict[str, str]:
    """Where Unsloth keeps what it compiles: shared by the tests of one session, out of the source tree."""
    return {"UNSLOTH_COMPILE_LOCATION": str(Path(os.environ.get("TMPDIR", "/tmp")) / "tunesmith-tests-unsloth")}


def run_to_end(program: str, run: Path, **options: Any) -> int:
    """Run a stage program and return its exit code."""
    return start(program, run, **options).wait(timeout=300)


def events(run: Path, *types: str) -> list[dict[str, Any]]:
    """The events so far, of these types only if any are named."""
    path = run / "events.jsonl"
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    found = [json.loads(line) for line in lines if line.endswith(b"\n")]
    return [event for event in found if not types or event["type"] in types]


def losses(run: Path) -> dict[int, float]:
    """The loss of every optimiser step, as it went the last time."""
    return {event["step"]: event["loss"] for event in events(run, "step")}
