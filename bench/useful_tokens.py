"""What a second of training teaches: the same rows learned as in the recipe of the tutorials, and as we do it.

A token is useful when the assistant says it: the others are read, or pad a batch, but teach nothing that is wanted.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from bench.preparing import ROOT, TOKENIZER
from core.spec import DatasetSpec, LoraSpec, StageSpec
from worker.stages.run_dir import StageRun

HELD_OUT_ROWS = 150
WAYS = {"recipe": ("recipe", 1), "grouped": ("ours", 1), "ours": ("ours", 10)}
"""How rows are learned, and how many of them become one conversation; `ours` is what the example job does."""


def compare(train_s: float, rounds: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Useful tokens a second and held-out loss of each way; all train for as long, one after the other."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        _write_data(Path(folder))
        for name, (_, join_rows) in WAYS.items():
            _prepare(Path(folder), name, join_rows)
        for _ in range(rounds):
            for name, (way, _) in WAYS.items():
                found[name].append(_trained(Path(folder), name, way, train_s))
                say(f"training: {name} {found[name][-1]}")
    speeds = {name: [each["useful_tokens_per_s"] for each in runs] for name, runs in found.items()}
    return {
        "useful_tokens_vs_recipe": _ratio(speeds["ours"], speeds["recipe"]),
        "useful_tokens_grouped_only": _ratio(speeds["grouped"], speeds["recipe"]),
        "held_out_loss": {name: median(each["loss"] for each in runs) for name, runs in found.items()},
        "useful_tokens_per_s": {name: round(median(values)) for name, values in speeds.items()},
        "train_s": train_s,
    }


def _ratio(ours: list[float], recipe: list[float]) -> float:
    return round(median(a / b for a, b in zip(ours, recipe, strict=True)), 2)


def _write_data(folder: Path) -> None:
    _run(["examples.data.make", str(folder), "--seed", "0"])
    held_out = (folder / "tools.heldout.jsonl").read_text().splitlines(keepends=True)
    (folder / "held_out.jsonl").write_text("".join(held_out[:HELD_OUT_ROWS]))


def _prepare(folder: Path, name: str, join_rows: int) -> None:
    stage = StageSpec(
        name="tools",
        data=DatasetSpec(source="tools.train.jsonl"),
        join_rows=join_rows,
        gradient_accumulation_steps=1,
        learning_rate=0.005,
        warmup_steps=10,
        lr_scheduler="constant",
        max_seq_length=1536,
        lora=LoraSpec(r=32, alpha=32),
    )
    base, output = str(TOKENIZER), str(folder / "merged")
    spec = StageRun(
        job_id="bench",
        stage=stage,
        seed=1,
        model=base,
        tokenizer=base,
        model_name="bench",
        data_root=str(folder),
        files_root=str(folder / "files"),
        output=output,
    )
    (folder / name).mkdir()
    (folder / name / "spec.json").write_text(spec.model_dump_json())
    _run(["worker.stages.prepare", str(folder / name)])


def _trained(folder: Path, name: str, way: str, train_s: float) -> dict[str, float]:
    printed = _run(["bench.one_way", way, str(folder / name), str(train_s), str(folder / "held_out.jsonl")])
    result: dict[str, float] = json.loads(printed.splitlines()[-1])
    return result


def _run(module: list[str]) -> str:
    cache = {"UNSLOTH_COMPILE_LOCATION": str(Path(tempfile.gettempdir()) / "tunesmith-bench-unsloth")}
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "UNSLOTH_DISABLE_STATISTICS": "1", **cache}
    done = subprocess.run([sys.executable, "-m", *module], cwd=ROOT, env=env, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{module[0]}: {done.stdout[-2000:]}{done.stderr[-3000:]}")
    return done.stdout
