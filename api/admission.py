"""The checks that a job must pass beyond its schema, before a row exists, and the plan that comes out of them.

All problems are told at once.  Files are read in a thread, two at a time, so a large data set holds up nobody else.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio.to_thread
from anyio import CapacityLimiter
from sqlalchemy import Select, select

from api.base_models import check_base_model, in_storage, not_there
from api.data_files import path_of
from api.db import transaction
from api.suite_admission import held_out_problems, suite_problems
from core import files
from core.architecture import Architecture
from core.errors import BadData, ServiceError, joined
from core.judge_url import check_judge
from core.memory import needed_bytes
from core.models import File, Model
from core.rows import RowScan, scan
from core.spec import DatasetSpec, JobSpec, StageSpec

Source = tuple[DatasetSpec, int, int]
"""A data set, how many of its rows become one conversation, and how many at its end are held out."""


@dataclass(frozen=True)
class Admission:
    """What is known of an admitted job before it runs."""

    plan: dict[str, Any]
    memory_bytes: int


async def admit(spec: JobSpec, scans: CapacityLimiter, project: str) -> Admission:
    """The job's plan and needs; or one error that lists everything that keeps the job from running.

    It can name the files of its project, and of the models in the storage those of its project.
    """
    problems = await _judge_problems(spec)
    if not spec.base_is_path and all(data.is_on_hub for data in spec.sources()):
        return _admit(spec, {}, problems)  # reads nothing, and going to a thread and back takes longer than that
    uploaded: dict[str, File] = {}
    is_hidden = False
    places = in_storage(spec)
    if spec.file_ids or places:
        async with transaction(project) as session:
            uploaded = await session.run_sync(files.of_spec, spec)
            is_hidden = bool(places) and not await session.scalar(_model_at(places))
    try:
        return await anyio.to_thread.run_sync(_admit, spec, uploaded, problems, is_hidden, limiter=scans)
    except ServiceError:
        await _look_again(spec, uploaded, project)
        raise


async def _look_again(spec: JobSpec, uploaded: Mapping[str, File], project: str) -> None:
    """FileNotThere when a file that was there has been deleted meanwhile: its bytes are gone because of that."""
    if not uploaded:
        return
    async with transaction(project) as session:
        kept = await session.run_sync(files.of_spec, spec)
    gone = sorted(uploaded.keys() - kept.keys())
    if gone:
        named = (param for param, (data, _, _) in _sources(spec) if data.file_id in gone)
        raise files.missing(gone, next(named, "evaluation")) from None


def _model_at(places: list[str]) -> Select[str]:
    return select(Model.id).where(Model.location.in_(places), Model.removed_at.is_(None)).limit(1)


async def _judge_problems(spec: JobSpec) -> list[ServiceError]:
    """Why a worker must not, or could not, ask the judge that the job names."""
    if spec.evaluation.judge is None:
        return []
    try:
        await check_judge(spec.evaluation.judge)
    except ServiceError as error:
        return [error]
    return []


def _admit(
    spec: JobSpec, uploaded: Mapping[str, File], known: Sequence[ServiceError], base_is_hidden: bool = False
) -> Admission:
    """`known` are the problems that were found before."""
    problems = list(known)
    architecture: Architecture | None = None
    try:
        if base_is_hidden:
            raise not_there(spec.base_model)
        architecture = check_base_model(spec)
    except ServiceError as error:
        problems.append(error)
    scans: dict[Source, RowScan] = {}
    unheld = list(held_out_problems(spec.held_out, uploaded)) if spec.held_out else []
    problems += unheld
    for param, (data, join_rows, held_out) in _sources(spec):
        # Where no row would be left, that was said; the data themselves may be wrong too.
        source = (data, join_rows, 0 if unheld else held_out)
        try:
            if source not in scans and (found := _scanned(source, param, uploaded)) is not None:
                scans[source] = found
        except ServiceError as error:
            problems.append(error)
    problems += suite_problems(spec.evaluation, uploaded)
    if problems:
        raise joined(problems)
    rows = {source: found.trainable for source, found in scans.items()}
    return Admission(plan(spec, rows), needed_bytes(spec, architecture))


def plan(spec: JobSpec, file_rows: dict[Source, int]) -> dict[str, Any]:
    """Rows and optimiser steps of each stage; null where a hub data set must be read first."""
    stages = [_planned(stage, file_rows, _held_out(spec, stage)) for stage in spec.stages]
    known = [stage["steps"] for stage in stages if stage["steps"] is not None]
    return {"stages": stages, "total_steps": sum(known) if len(known) == len(stages) else None}


def _planned(stage: StageSpec, file_rows: dict[Source, int], held_out: int) -> dict[str, Any]:
    of_hub = None if stage.data.rows is None or stage.join_rows > 1 else max(0, stage.data.rows - held_out)
    rows = file_rows.get((stage.data, stage.join_rows, held_out), of_hub)
    steps = None if rows is None else stage.steps(rows)
    return {"name": stage.name, "rows": rows, "steps": steps, "effective_batch": stage.effective_batch}


def _sources(spec: JobSpec) -> Iterator[tuple[str, Source]]:
    """Each data set of conversations, and where it stands in the spec."""
    for number, stage in enumerate(spec.stages):
        yield f"stages[{number}].data.source", (stage.data, stage.join_rows, _held_out(spec, stage))
    if spec.evaluation.chat is not None:
        yield "evaluation.chat.source", (spec.evaluation.chat, 1, 0)


def _held_out(spec: JobSpec, stage: StageSpec) -> int:
    return spec.held_out.of(stage.data) if spec.held_out else 0


def _scanned(source: Source, param: str, uploaded: Mapping[str, File]) -> RowScan | None:
    """What the rows of a file amount to, or None for the name of a hub data set."""
    data, join_rows, held_out = source
    file = uploaded.get(data.file_id or "")
    if file is not None:
        files.check_is_data(file, param)
    is_whole = join_rows == 1 and data.rows is None and not held_out
    path = path_of(data, param, uploaded)
    if file is not None and is_whole and data.format in ("auto", file.format):
        return RowScan(rows=file.rows, trainable=file.trainable_rows)  # as it was found when it was uploaded
    return None if path is None else _scan(path, source, param)


def _scan(path: Path, source: Source, param: str) -> RowScan:
    data, join_rows, held_out = source
    try:
        return scan(path, data.format, data.rows, join_rows, drop=data.on_bad_row == "drop", held_out=held_out)
    except BadData as error:
        raise BadData(f"{param}: {error.message}", param=param) from None
    except OSError as error:
        raise BadData(f"{param}: {data.source!r} cannot be read: {error.strerror}", param=param) from None
