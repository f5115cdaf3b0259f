"""What a job has on disk: checkpoints, adapters, prepared rows, logs and merged models, found by their places.

jobs/JOB/STAGE/run-N/     the stage's folder, which the newest run has taken over; everything below is the job's
models/JOB/STAGE/         its merged model
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from core.disk import entries, size_bytes
from core.settings import get_settings

MARK = "COMPLETE"
"""A checkpoint has this file once it is whole."""


class Kind(StrEnum):
    CHECKPOINT = "checkpoint"
    ADAPTER = "adapter"
    MERGED_MODEL = "merged_model"
    ROWS = "rows"
    LOG = "log"
    OTHER = "other"


@dataclass(frozen=True)
class Artefact:
    """Something that a job keeps, and where; `size_bytes` of a folder counts all the files in it."""

    kind: Kind
    stage: str
    path: Path
    size_bytes: int


def jobs_root() -> Path:
    """Where the jobs' folders are."""
    return get_settings().storage_path / "jobs"


def models_root() -> Path:
    """Where the jobs' merged models are."""
    return get_settings().storage_path / "models"


def job_ids() -> Iterator[str]:
    """Every job that has something on disk, once; only names are read, and none is held."""
    jobs, models = jobs_root(), models_root()
    yield from (path.name for path in entries(jobs))
    yield from (path.name for path in entries(models) if not (jobs / path.name).exists())


def artefacts(job_id: str) -> Iterator[Artefact]:
    """What the job has, stage by stage; together they are all that it takes up."""
    for stage_dir in stage_dirs(job_id):
        listed = 0
        for kind, path in _in_run_dir(run_dir(stage_dir)):
            size = size_bytes(path)
            listed += size
            yield Artefact(kind, stage_dir.name, path, size)
        if (rest := size_bytes(stage_dir) - listed) > 0:
            yield Artefact(Kind.OTHER, stage_dir.name, stage_dir, rest)
    for folder in sorted(entries(models_root() / job_id)):
        yield Artefact(Kind.MERGED_MODEL, folder.name, folder, size_bytes(folder))


def stage_dirs(job_id: str) -> list[Path]:
    """The folders of the job's stages, by name."""
    return sorted(path for path in entries(jobs_root() / job_id) if path.is_dir())


def run_dir(stage_dir: Path) -> Path:
    """The folder of the stage's newest run; the stage's own where runs have none."""
    runs = [(int(match[1]), path) for path in entries(stage_dir) if (match := re.fullmatch(r"run-(\d+)", path.name))]
    return max(runs)[1] if runs else stage_dir


def has_ended(stage_dir: Path) -> bool:
    """Whether the stage's merged model has been made, so that nothing is ever resumed in it."""
    return (run_dir(stage_dir) / "merge.json").exists()


def checkpoints(stage_dir: Path) -> list[Path]:
    """The newest run's checkpoints, whole ones before others, the highest step first."""
    found = [
        ((path / MARK).exists(), int(match[1]), path)
        for path in entries(run_dir(stage_dir) / "checkpoints")
        if (match := re.fullmatch(r"checkpoint-(\d+)", path.name))
    ]
    return [path for _, _, path in sorted(found, reverse=True)]


def adapters(job_id: str) -> list[Path]:
    """The LoRA weights of the job's stages."""
    found = [run_dir(stage_dir) / "adapter" for stage_dir in stage_dirs(job_id)]
    return [path for path in found if path.exists()]


def _in_run_dir(folder: Path) -> Iterator[tuple[Kind, Path]]:
    yield from ((Kind.CHECKPOINT, path) for path in sorted(entries(folder / "checkpoints")) if path.is_dir())
    for path in sorted(entries(folder)):
        if path.name == "adapter":
            yield Kind.ADAPTER, path
        elif path.suffix == ".arrow":
            yield Kind.ROWS, path
        elif path.suffix in {".log", ".jsonl"}:
            yield Kind.LOG, path
