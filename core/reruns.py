"""A job made again: its spec with everything that its models' manifests say was read pinned to what it was then."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import jobs
from core.errors import Conflict
from core.manifest import Manifest, SourceRecord
from core.models import Model
from core.spec import DeploySpec, JobSpec


def repeated(session: Session, job_id: str, deploy: DeploySpec | None = None) -> JobSpec:
    """The spec of a rerun; Conflict when a stage has made no model yet, or when something that was read is not known.

    `deploy` replaces what the job did with its models.
    """
    job = jobs.get(session, job_id)
    spec = JobSpec.model_validate(job.spec)
    rows = session.scalars(select(Model).where(Model.job_id == job_id))
    made = {row.stage: Manifest.model_validate(row.manifest) for row in rows}
    missing = [stage.name for stage in spec.stages if stage.name not in made]
    if missing:
        raise Conflict(
            f"job {job_id} is {job.status} and has made no model of {', '.join(missing)}: only what was made can be "
            "made again; resume or retry it, or post its spec as a new job"
        )
    again = pinned(job_id, spec, made)
    return again if deploy is None else again.model_copy(update={"deploy": deploy})


def pinned(job_id: str, spec: JobSpec, made: Mapping[str, Manifest]) -> JobSpec:
    """The spec with its stages as they were run, and with its base and every data set pinned to what was read."""
    records = {record.source: record for manifest in made.values() for record in manifest.data}
    first = made[spec.stages[0].name]
    fields = {
        **spec.model_dump(mode="json"),
        "stages": [made[stage.name].stage_spec for stage in spec.stages],
        "base_id": first.base.id,
        "base_revision": first.base.revision,
    }
    return JobSpec.model_validate(_pinned(job_id, fields, records))


def _pinned(job_id: str, value: Any, records: Mapping[str, SourceRecord]) -> Any:
    """The value with every data set in it, however deep, pinned."""
    if isinstance(value, list):
        return [_pinned(job_id, each, records) for each in value]
    if not isinstance(value, dict):
        return value
    if "source" not in value:
        return {name: _pinned(job_id, each, records) for name, each in value.items()}
    record = records.get(value["source"], SourceRecord(source=value["source"]))
    if record.sha256 is None and record.revision is None:
        raise Conflict(
            f"job {job_id} cannot be made again: what it read of {record.source!r} is not known, as it changed while "
            "it was read, or cannot be read twice; post its spec as a new job"
        )
    return {**value, "sha256": record.sha256, "revision": record.revision or value["revision"]}
