"""The jobs that are posted: short two-row-file trainings of the tiny base model, bit for bit repeatable.

Several variants, with rows and seeds of their own, so that a mix-up between jobs changes a result.
"""

import json
from pathlib import Path
from typing import Any

BASE_MODEL = "./examples/tiny-base"


def write_rows(data_root: Path) -> None:
    """The row files of all variants."""
    data_root.mkdir(parents=True, exist_ok=True)
    for name, verb in (("one.jsonl", "Say"), ("two.jsonl", "Count to")):
        rows = [
            {"messages": [{"role": "user", "content": f"{verb} {i}"}, {"role": "assistant", "content": f"{i}. " * 3}]}
            for i in range(64)
        ]
        (data_root / name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def _stage(name: str, source: str, steps: int, epochs: int = 1) -> dict[str, Any]:
    return {
        "name": name,
        "data": {"source": source},
        "batch_size": 2,
        "gradient_accumulation_steps": 2,
        "warmup_steps": 1,
        "epochs": epochs,
        "max_steps": steps,
        "max_seq_length": 256,
        "checkpoint_every_steps": 1,
    }


def _job(seed: int, *stages: dict[str, Any]) -> dict[str, Any]:
    return {
        "base_model": BASE_MODEL,
        "stages": list(stages),
        "seed": seed,
        "deploy": {"when": "never"},
        "evaluation": {"base": False},
        "suffix": "faults",
    }


SHORT = ("short-one", "short-two")
LONG = "long"
LONGEST = "longest"
TWO_STAGES = "two-stages"
VARIANTS: dict[str, dict[str, Any]] = {
    "short-one": _job(11, _stage("chat", "one.jsonl", 3)),
    "short-two": _job(12, _stage("chat", "two.jsonl", 2)),
    TWO_STAGES: _job(13, _stage("chat", "one.jsonl", 2), _stage("tools", "two.jsonl", 2)),
    LONG: _job(14, _stage("chat", "two.jsonl", 12)),
    LONGEST: _job(15, _stage("chat", "one.jsonl", 120, epochs=8)),
}


def deployed(variant: str) -> dict[str, Any]:
    """The variant's job, with its model put on the endpoint at the end."""
    return {**VARIANTS[variant], "deploy": {"when": "last_stage"}}
