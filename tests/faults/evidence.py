"""What a finished job left in rows and files, in a form that two jobs can be compared by."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from core.models import Event, Job, Metric, Model, Run
from worker.stages.takeover import current


@dataclass(frozen=True)
class StageResult:
    """One stage: digests of its weights, and what each optimiser step reported."""

    model: dict[str, str]
    adapter: str | None
    steps: list[int]
    losses: list[float | None]


@dataclass(frozen=True)
class JobResult:
    """One job: how it ended, how often it was made, and what came out."""

    status: str
    error: str | None
    planned_steps: dict[str, int]
    succeeded_runs: int
    success_events: int
    models: dict[str, int]
    stages: dict[str, StageResult]
    trained_steps: int
    """Optimiser steps that trainers reported, repeated ones counted again."""


def read_result(session: Session, storage: Path, job_id: str) -> JobResult | None:
    """The job's result so far; None when there is no such row."""
    job = session.get(Job, job_id)
    if job is None:
        return None
    names = [stage["name"] for stage in job.spec["stages"]]
    models = session.scalars(select(Model).where(Model.job_id == job_id)).all()
    return JobResult(
        status=str(job.status),
        error=json.dumps(job.error) if job.error else None,
        planned_steps={stage["name"]: stage["steps"] for stage in job.plan["stages"]},
        succeeded_runs=_count(session, select(Run).where(Run.job_id == job_id, Run.outcome == "succeeded")),
        success_events=_count(session, select(Event).where(Event.job_id == job_id, Event.type == "job.succeeded")),
        models={name: sum(model.stage == name for model in models) for name in names},
        stages={
            model.stage: _stage_result(session, storage, job_id, model.stage, storage / model.location)
            for model in models
        },
        trained_steps=reported_steps(storage / "jobs" / job_id),
    )


def _stage_result(session: Session, storage: Path, job_id: str, stage: str, model: Path) -> StageResult:
    metrics = session.scalars(
        select(Metric).where(Metric.job_id == job_id, Metric.stage == stage).order_by(Metric.step)
    ).all()
    folder = current(storage / "jobs" / job_id / stage)
    adapter = folder / "adapter" / "adapter_model.safetensors" if folder is not None else None
    return StageResult(
        model={file.name: _sha256(file) for file in sorted(model.glob("*.safetensors"))},
        adapter=_sha256(adapter) if adapter is not None and adapter.exists() else None,
        steps=[metric.step for metric in metrics],
        losses=[metric.loss for metric in metrics],
    )


def reported_steps(job_folder: Path) -> int:
    """Optimiser steps that all trainers of a job have reported, those of earlier runs too."""
    lines = [line for file in job_folder.glob("**/events*.jsonl") for line in _lines(file)]
    return sum(b'"type": "step"' in line for line in lines)


def _lines(file: Path) -> list[bytes]:
    try:
        return file.read_bytes().splitlines()
    except FileNotFoundError:  # a new run took the folder over at this moment
        return []


def _count(session: Session, rows: Select[Any]) -> int:
    return int(session.scalar(select(func.count()).select_from(rows.subquery())) or 0)


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
