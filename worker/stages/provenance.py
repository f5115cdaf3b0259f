"""What a merged model was made of and with, gathered from the run directory, the base's folder and this environment."""

import re
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from core.base_model import base_id
from core.health import Step, verdict
from core.manifest import Base, Parent, RowCounts, Software, SourceRecord, Training
from core.pins import file_sha256
from core.preparation import Preparation
from core.storage import read_json
from worker.stages.logged_steps import logged_steps
from worker.stages.run_dir import RunDir, StageRun
from worker.stages.source_records import FILE as SOURCES

_PACKAGES = (
    *("torch", "transformers", "trl", "peft", "accelerate", "bitsandbytes", "datasets", "tokenizers", "safetensors"),
    *("unsloth", "unsloth_zoo"),
)
_REQUIREMENTS = Path(__file__).parents[2] / "requirements"
_SNAPSHOT = re.compile(r"/snapshots/([0-9a-f]{40})(/|$)")
_LICENSE = re.compile(r"^license:\s*(\S.*?)\s*$", re.MULTILINE)


def base(spec: StageRun) -> Base:
    """The model that the job's first stage started from."""
    folder = Path(spec.tokenizer)
    commit = _SNAPSHOT.search(folder.as_posix())
    template = folder / "chat_template.jinja"
    return Base(
        name=spec.job.base_model if spec.job else str(folder),
        id=base_id(spec.job.base_model if spec.job else str(folder), folder),
        revision=commit[1] if commit else None,
        license=_license(folder / "README.md"),
        tokenizer_sha256=file_sha256(folder / "tokenizer.json"),
        # Where there is no file of its own, the template stands in the tokenizer's settings.
        template_sha256=file_sha256(template if template.exists() else folder / "tokenizer_config.json"),
    )


def parent(spec: StageRun) -> Parent | None:
    """The merged model of the stage before, if the stage started from one."""
    if spec.earlier_adapter is None:
        return None
    path = Path(spec.model) / "manifest.json"
    return Parent(model=read_json(path)["model"], manifest_sha256=file_sha256(path))


def sources(run: RunDir) -> tuple[SourceRecord, ...]:
    """What the data sets held when the rows were prepared."""
    return tuple(SourceRecord.model_validate(each) for each in read_json(run.path / SOURCES))


def row_counts(run: RunDir) -> RowCounts:
    """What became of the rows."""
    counts = Preparation.model_validate(read_json(run.path / "prepare.json"))
    return RowCounts(
        rows_in=counts.rows_in,
        rows=counts.rows,
        dropped={reason: rows.count for reason, rows in counts.dropped.items()},
        cut=counts.cut.count,
        duplicates=counts.duplicates.count,
        overlap=counts.overlap.count,
        kinds=dict(counts.kinds),
        tokens=counts.tokens,
        trained_tokens=counts.trained_tokens,
        longest=counts.longest,
    )


def training(run: RunDir, spec: StageRun) -> Training:
    """The totals of the training, from the steps that all its runs logged."""
    steps, result = logged_steps(run.path), read_json(run.path / "sft.json")
    return Training(
        steps=result["steps"],
        train_s=round(sum(step["step_s"] for step in steps), 3),
        tokens=steps[-1]["tokens"] if steps else 0,
        device=result["device"],
        health=verdict(map(Step.model_validate, steps), spec.stage, result["steps"]),
    )


def software() -> Software:
    """The versions of what trains and merges, and the lock files that they come from."""
    return Software(
        python=".".join(map(str, sys.version_info[:3])),
        packages={name: found for name in _PACKAGES if (found := _version(name)) is not None},
        lock_files={path.name: file_sha256(path) for path in sorted(_REQUIREMENTS.glob("*.txt"))},
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:  # bitsandbytes has no build for every machine
        return None


def _license(card: Path) -> str | None:
    """The licence that the base's own card names in its front matter."""
    if not card.is_file():
        return None
    text = card.read_text(encoding="utf-8", errors="replace")
    front = text.split("\n---", 1)[0] if text.startswith("---\n") else ""
    found = _LICENSE.search(front)
    return found[1].strip("'\"") if found else None
