"""`python -m bench.memory`: the memory that a training takes at its peak on this machine's CPU, against the formula.

Every case is a real run of the stage programs: `prepare` over rows of one length, then a few steps of `sft`, whose
resident memory the kernel keeps the maximum of.  Both figures are counted above what the libraries take once they are
imported: that would flatter the smaller cases, and differs from machine to machine.  The models are the tiny base, and
larger ones of the same family with random weights, made for the occasion.  The last line is JSON.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.migrate import PROJECT
from core.architecture import from_config
from core.memory import CPU_LIBRARIES, MIB, longest_batch, training_memory
from core.spec import StageSpec
from core.storage import read_json, write_json

BAR = 0.15
TINY_BASE = PROJECT / "examples" / "tiny-base"
_IMPORT = "import worker.stages.sft, resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"


@dataclass(frozen=True)
class Case:
    """A model, and the micro-batch that it is trained with; `words` make the length of every row."""

    model: str
    batch_size: int
    words: int
    r: int = 16
    load_in_4bit: bool = True


MODELS = {
    "39M": {"hidden": 512, "layers": 8, "heads": 8, "kv_heads": 2, "ffn": 1408, "vocabulary": 32_000},
    "100M": {"hidden": 768, "layers": 12, "heads": 12, "kv_heads": 4, "ffn": 2048, "vocabulary": 32_000},
    "285M": {"hidden": 1024, "layers": 16, "heads": 16, "kv_heads": 4, "ffn": 3584, "vocabulary": 65_536},
}
CASES = (
    Case("tiny", 2, 100),
    Case("tiny", 8, 200),
    Case("39M", 2, 200),
    Case("39M", 2, 400, r=64),
    Case("39M", 2, 200, load_in_4bit=False),
    Case("100M", 1, 60),
    Case("100M", 2, 300),
    Case("285M", 1, 100),
    Case("285M", 2, 150),
)
QUICK = (CASES[0],)


def measure(cases: tuple[Case, ...], folder: Path) -> dict[str, Any]:
    """Run every case, print both figures, and return them with the worst error."""
    baseline = int(_output([sys.executable, "-c", _IMPORT]).split()[-1]) * 1024
    print(f"libraries, imported: {baseline / MIB:.0f} MiB")
    results = []
    for case in cases:
        base = TINY_BASE if case.model == "tiny" else _model(folder / case.model, MODELS[case.model])
        results.append(_one(case, base, Path(tempfile.mkdtemp(dir=folder)), baseline))
        print("  ".join(f"{name} {value}" for name, value in results[-1].items()), flush=True)
    worst = max(abs(result["error"]) for result in results)
    return {"cases": results, "baseline_mib": round(baseline / MIB), "worst_error": worst, "bar": BAR}


def _one(case: Case, base: Path, run: Path, baseline: int) -> dict[str, Any]:
    stage = StageSpec.model_validate(
        {
            "name": "chat",
            "data": {"source": "rows.jsonl"},
            "batch_size": case.batch_size,
            "gradient_accumulation_steps": 1,
            "warmup_steps": 1,
            "lora": {"r": case.r},
            "load_in_4bit": case.load_in_4bit,
        }
    )
    answer = " ".join(["blue"] * case.words)
    rows = [_row(f"Say {number}", answer) for number in range(2 * case.batch_size)]
    (run / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    folders = {"model": str(base), "tokenizer": str(base), "data_root": str(run), "files_root": str(run / "files")}
    folders["output"] = str(run / "merged")
    spec = {"job_id": "bench", "model_name": "bench", "seed": 1, "stage": stage.model_dump(mode="json"), **folders}
    write_json(run / "spec.json", spec)
    _output([sys.executable, "-m", "worker.stages.prepare", str(run)])
    prepared = read_json(run / "prepare.json")
    peak = _peak_bytes([sys.executable, "-m", "worker.stages.sft", str(run)])
    architecture = from_config(read_json(base / "config.json"))
    assert architecture is not None
    batch = longest_batch(stage, prepared["rows"], prepared["longest"])
    predicted = training_memory(stage, architecture, batch, "cpu").total
    error = (predicted - CPU_LIBRARIES) / (peak - baseline) - 1
    settings = {"model": case.model, "rows": batch.rows, "longest": batch.longest, "r": case.r}
    figures = {"predicted_mib": round(predicted / MIB), "measured_mib": round(peak / MIB), "error": round(error, 3)}
    return {**settings, "load_in_4bit": case.load_in_4bit, **figures}


def _row(question: str, answer: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def _model(folder: Path, sizes: dict[str, int]) -> Path:
    if not folder.exists():
        _output([sys.executable, "-m", "bench.memory_models", str(folder), json.dumps(sizes)])
    return folder


def _output(command: list[str]) -> str:
    done = subprocess.run(command, cwd=PROJECT, env=_environment(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}: {done.stdout[-500:]}{done.stderr[-1500:]}")
    return done.stdout


def _peak_bytes(command: list[str]) -> int:
    """The most memory that the command was resident with."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, cwd=PROJECT, env=_environment(), stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        log.seek(0)
        if process.returncode != 0:
            raise SystemExit(f"{' '.join(command)}: {log.read().decode(errors='replace')[-1500:]}")
    return usage.ru_maxrss * 1024


def _environment() -> dict[str, str]:
    offline = {"HF_HUB_OFFLINE": "1", "UNSLOTH_DISABLE_STATISTICS": "1", "CUDA_VISIBLE_DEVICES": ""}
    cache = Path(tempfile.gettempdir()) / "tunesmith-bench-unsloth"
    return {**os.environ, **offline, "UNSLOTH_COMPILE_LOCATION": str(cache)}


def main() -> None:
    """Measure, print, and end with 1 when the formula is off by more than the bar."""
    parser = argparse.ArgumentParser(description="Peak memory of training on the CPU, predicted and measured.")
    parser.add_argument("--quick", action="store_true", help="one small case")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(QUICK if arguments.quick else CASES, Path(folder))
    print(json.dumps(result))
    raise SystemExit(result["worst_error"] > BAR)


if __name__ == "__main__":
    main()
