"""The body of `POST /v1/fine_tuning/jobs`, and the JobSpec that it asks for."""

import re
from typing import Annotated, Any, Literal

import anyio.to_thread
from anyio import CapacityLimiter
from fastapi.exceptions import RequestValidationError
from pydantic import Field, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from api.db import transaction
from api.openai import base_names
from api.openai.extension import Extension
from api.openai.hyperparameters import Hyperparameters
from core import files
from core.errors import InvalidRequest
from core.file_store import files_root, stored_path
from core.models import File
from core.rows import offers_tools
from core.spec import FILE_ID, SUFFIX_LENGTH, JobSpec, MetadataKey, MetadataValue, Spec


class Supervised(Spec):
    hyperparameters: Hyperparameters | None = None


class Method(Spec):
    type: Literal["supervised", "dpo", "reinforcement"] = Field(description="`supervised`; the others are refused")
    supervised: Supervised | None = None
    dpo: dict[str, Any] | None = None
    reinforcement: dict[str, Any] | None = None


class CreateJob(Spec):
    """As OpenAI documents it; `tunesmith` is what the SDK sends for `extra_body={"tunesmith": {…}}`."""

    model: str = Field(
        min_length=1,
        max_length=500,
        description="`owner/name` on the hub, a path (./… or /…), or a model or alias in GET /v1/models",
    )
    training_file: str = Field(min_length=1, max_length=500, description="id of an uploaded file, or any other source")
    validation_file: str | None = Field(None, min_length=1, max_length=500)
    method: Method | None = None
    hyperparameters: Hyperparameters | None = Field(None, description="deprecated by OpenAI in favour of `method`")
    suffix: str | None = Field(None, max_length=SUFFIX_LENGTH)
    seed: int | None = Field(None, ge=0, le=2**31 - 1)
    metadata: Annotated[dict[MetadataKey, MetadataValue], Field(max_length=16)] | None = None
    integrations: list[dict[str, Any]] | None = Field(None, description="none is offered; an empty list is accepted")
    tunesmith: Extension = Extension()


async def spec_of(body: CreateJob, scans: CapacityLimiter, project: str) -> JobSpec:
    """The job that the body asks for in the project.

    InvalidRequest, or a RequestValidationError, naming the field that is wrong.
    """
    hyperparameters = _hyperparameters(body)
    _refuse_integrations(body)
    async with transaction(project) as session:
        base_model = await base_names.base_model_of(session, body.model)
        training = await _file(session, body.training_file, "training_file")
        validation = await _file(session, body.validation_file, "validation_file")
    settings = hyperparameters.settings(training.trainable_rows if training else None)
    stages = body.tunesmith.stages_over(settings, body.training_file)
    if all(stage["data"]["source"] != body.training_file for stage in stages):
        raise InvalidRequest(
            f"training_file is {body.training_file!r}, but no stage of tunesmith.stages trains on it: leave `data` out "
            "of the stage that should",
            param="training_file",
        )
    values = {
        **body.tunesmith.model_dump(exclude_unset=True),
        "base_model": base_model,
        "stages": stages,
        "evaluation": await _evaluation(body, validation, scans),
        "metadata": body.metadata or {},
    }
    if body.suffix:
        values["suffix"] = _suffix(body.suffix)
    if body.seed is not None:
        values["seed"] = body.seed
    try:
        return JobSpec.model_validate(values)
    except ValidationError as error:  # what OpenAI's fields say is valid by now
        problems = [{**problem, "loc": ("body", "tunesmith", *problem["loc"])} for problem in error.errors()]
        raise RequestValidationError(problems) from None


def _hyperparameters(body: CreateJob) -> Hyperparameters:
    method = body.method
    if method is not None and method.type != "supervised":
        raise InvalidRequest(
            f"method.type is {method.type!r}: fine-tuning here is `supervised`, on rows with the wanted answers; "
            "preference and reinforcement tuning are not offered",
            param="method.type",
        )
    within = method.supervised.hyperparameters if method and method.supervised else None
    if within is not None and body.hyperparameters is not None:
        raise InvalidRequest(
            "hyperparameters are given twice: keep method.supervised.hyperparameters, and leave the deprecated "
            "top-level hyperparameters out",
            param="hyperparameters",
        )
    return within or body.hyperparameters or Hyperparameters()


def _refuse_integrations(body: CreateJob) -> None:
    if body.integrations:
        raise InvalidRequest(
            "integrations: none is offered here; leave them out, and read every step's metrics from "
            "fine_tuning.jobs.list_events, the result file, or GET /jobs/{job_id}/metrics",
            param="integrations",
        )


async def _file(session: AsyncSession, source: str | None, param: str) -> File | None:
    """The uploaded file that the source names, if it names one; InvalidRequest when that cannot be read as rows."""
    if source is None or not FILE_ID.fullmatch(source):
        return None
    file = await session.get(File, source)
    if file is None or file.deleted_at is not None:
        raise InvalidRequest(
            f"{param} is {source!r}: there is no such file, or it was deleted; GET /v1/files lists those there are",
            param=param,
        )
    files.check_is_data(file, param)
    return file


async def _evaluation(body: CreateJob, validation: File | None, scans: CapacityLimiter) -> dict[str, Any]:
    """What the models are measured on: the loss of the validation rows and, where they offer tools, the calls too."""
    wanted = body.tunesmith.evaluation.model_dump(exclude_unset=True)
    if body.validation_file is None:
        return wanted
    if any(wanted.get(name) for name in ("chat", "tools", "hold_out_rows")):
        raise InvalidRequest(
            "validation_file and tunesmith.evaluation both say what to measure on: leave one of them out",
            param="validation_file",
        )
    data = {"source": body.validation_file}
    wanted["chat"] = data
    if validation is not None:
        path = await anyio.to_thread.run_sync(stored_path, files_root(), validation.id)
        if await anyio.to_thread.run_sync(offers_tools, path, limiter=scans):
            wanted["tools"] = data
    return wanted


def _suffix(suffix: str) -> str:
    """The suffix with what a model's name cannot hold made `-`."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", suffix).lstrip("_.-")
    if not name:
        raise InvalidRequest(
            f"suffix is {suffix!r}: a model's name takes letters, digits, `_`, `.` and `-`; give at least one letter "
            "or digit",
            param="suffix",
        )
    return name
