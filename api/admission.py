"""The checks that a job must pass beyond its schema, before a row exists, and the plan that comes out of them.

All problems are told at once.  Files are read in a thread, two at a time, so a large data set holds up nobody else.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio.to_thread
from anyio import CapacityLimiter

from api.base_models import HUB_NAME, check_base_model
from core.architecture import Architecture
from core.errors import BadData, InvalidRequest, ServiceError, joined
from core.memory import needed_bytes
from core.rows import RowScan, scan
from core.settings import get_settings
from core.spec import DatasetSpec, JobSpec, StageSpec
from core.storage import confined

Source = tuple[DatasetSpec, int]
"""A data set, and how many of its rows become one conversation."""


@dataclass(frozen=True)
class Admission:
    """What is known of an admitted job before it runs."""

    plan: dict[str, Any]
    memory_bytes: int


async def admit(spec: JobSpec, scans: CapacityLimiter) -> Admission:
    """The job's plan and needs; or one error that lists everything that keeps the job from running."""
    if not spec.base_is_path and not any(data.is_file for _, data, _ in _datasets(spec)):
        return _admit(spec)  # reads nothing, and going to a thread and back takes longer than that
    return await anyio.to_thread.run_sync(_admit, spec, limiter=scans)


def _admit(spec: JobSpec) -> Admission:
    problems: list[ServiceError] = []
    architecture: Architecture | None = None
    try:
        architecture = check_base_model(spec)
    except ServiceError as error:
        problems.append(error)
    scans: dict[Source, RowScan] = {}
    for param, data, join_rows in _datasets(spec):
        try:
            if (data, join_rows) not in scans and (path := _local_file(data, param)) is not None:
                scans[data, join_rows] = _scan(path, data, param, join_rows)
        except ServiceError as error:
            problems.append(error)
    if problems:
        raise joined(problems)
    rows = {source: found.trainable for source, found in scans.items()}
    return Admission(plan(spec, rows), needed_bytes(spec, architecture))


def plan(spec: JobSpec, file_rows: dict[Source, int]) -> dict[str, Any]:
    """Rows and optimiser steps of each stage; null where a hub data set must be read first."""
    stages = [_planned(stage, file_rows) for stage in spec.stages]
    known = [stage["steps"] for stage in stages if stage["steps"] is not None]
    return {"stages": stages, "total_steps": sum(known) if len(known) == len(stages) else None}


def _planned(stage: StageSpec, file_rows: dict[Source, int]) -> dict[str, Any]:
    rows = file_rows.get((stage.data, stage.join_rows), stage.data.rows if stage.join_rows == 1 else None)
    steps = None if rows is None else stage.steps(rows)
    return {"name": stage.name, "rows": rows, "steps": steps, "effective_batch": stage.effective_batch}


def _datasets(spec: JobSpec) -> Iterator[tuple[str, DatasetSpec, int]]:
    """Each data set, where it stands in the spec, and how many of its rows become one conversation."""
    for number, stage in enumerate(spec.stages):
        yield f"stages[{number}].data.source", stage.data, stage.join_rows
    for name in ("tools", "chat"):
        data = getattr(spec.evaluation, name)
        if data is not None:
            yield f"evaluation.{name}.source", data, 1
    for name, data in spec.evaluation.more_tools.items():
        yield f"evaluation.more_tools.{name}.source", data, 1


def _local_file(data: DatasetSpec, param: str) -> Path | None:
    """The file below DATA_ROOT, or None for the name of a hub data set."""
    if not data.is_file:
        if HUB_NAME.fullmatch(data.source):
            return None
        raise InvalidRequest(
            f"{param} is {data.source!r}: give a .jsonl, .json or .parquet file below DATA_ROOT (the first two also as "
            ".gz), or `owner/name` of the hub",
            param=param,
        )
    root = get_settings().data_root
    try:
        path = confined(root, data.source, param)
        if path.is_file():
            return path
        problem = "is no regular file" if path.exists() else "does not exist"
    except (OSError, RuntimeError) as error:  # a name too long, a loop of links
        problem = f"cannot be opened ({getattr(error, 'strerror', None) or error})"
    raise BadData(f"{param}: {data.source!r} {problem} below DATA_ROOT ({root}); put the file there", param=param)


def _scan(path: Path, data: DatasetSpec, param: str, join_rows: int) -> RowScan:
    try:
        return scan(path, data.format, data.rows, join_rows, drop=data.on_bad_row == "drop")
    except BadData as error:
        raise BadData(f"{param}: {error.message}", param=param) from None
    except OSError as error:
        raise BadData(f"{param}: {data.source!r} cannot be read: {error.strerror}", param=param) from None
