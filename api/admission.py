"""The checks that a job must pass beyond its schema, before a row exists, and the plan that comes out of them.

All problems are told at once.  Files are read in a thread, two at a time, so a large data set holds up nobody else.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio.to_thread
from anyio import CapacityLimiter
from sqlalchemy import Select, select

from api.base_models import HUB_NAME, check_base_model, in_storage, not_there
from api.db import transaction
from core import files
from core.architecture import Architecture
from core.errors import BadData, InvalidRequest, ServiceError, joined
from core.file_store import files_root, stored_path
from core.memory import needed_bytes
from core.models import File, Model
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


async def admit(spec: JobSpec, scans: CapacityLimiter, project: str) -> Admission:
    """The job's plan and needs; or one error that lists everything that keeps the job from running.

    It can name the files of its project, and of the models in the storage those of its project.
    """
    if not spec.base_is_path and all(data.is_on_hub for data in spec.data_sets()):
        return _admit(spec, {})  # reads nothing, and going to a thread and back takes longer than that
    uploaded: dict[str, File] = {}
    is_hidden = False
    places = in_storage(spec)
    if spec.file_ids or places:
        async with transaction(project) as session:
            uploaded = await session.run_sync(files.of_spec, spec)
            is_hidden = bool(places) and not await session.scalar(_model_at(places))
    return await anyio.to_thread.run_sync(_admit, spec, uploaded, is_hidden, limiter=scans)


def _model_at(places: list[str]) -> Select[str]:
    return select(Model.id).where(Model.location.in_(places), Model.removed_at.is_(None)).limit(1)


def _admit(spec: JobSpec, uploaded: Mapping[str, File], base_is_hidden: bool = False) -> Admission:
    problems: list[ServiceError] = []
    architecture: Architecture | None = None
    try:
        if base_is_hidden:
            raise not_there(spec.base_model)
        architecture = check_base_model(spec)
    except ServiceError as error:
        problems.append(error)
    scans: dict[Source, RowScan] = {}
    for param, data, join_rows in _datasets(spec):
        try:
            if (data, join_rows) not in scans and (found := _scanned(data, param, join_rows, uploaded)) is not None:
                scans[data, join_rows] = found
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


def _scanned(data: DatasetSpec, param: str, join_rows: int, uploaded: Mapping[str, File]) -> RowScan | None:
    """What the rows of a file amount to, or None for the name of a hub data set."""
    if data.file_id is not None:
        file = uploaded.get(data.file_id)
        if file is None:
            raise files.missing([data.file_id], param)
        files.check_is_data(file, param)
        if join_rows == 1 and data.rows is None and data.format in ("auto", file.format):
            return RowScan(rows=file.rows, trainable=file.trainable_rows)  # as it was found when it was uploaded
        return _scan(stored_path(files_root(), file.id), data, param, join_rows)
    if data.is_file:
        return _scan(_local_file(data, param), data, param, join_rows)
    if HUB_NAME.fullmatch(data.source):
        return None
    raise InvalidRequest(
        f"{param} is {data.source!r}: give a .jsonl, .json or .parquet file below DATA_ROOT (the first two also as "
        ".gz), the id of an uploaded file, or `owner/name` of the hub",
        param=param,
    )


def _local_file(data: DatasetSpec, param: str) -> Path:
    """The file below DATA_ROOT."""
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
