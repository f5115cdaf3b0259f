"""The models that can be served: registering them, finding them, and what is known of how they are served.

A Session is a transaction that the caller commits.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.errors import NotFound
from core.manifest import Manifest
from core.models import Job, Model, ModelUse
from core.parity import ParityRecord
from core.projects import DEFAULT
from core.states import FINAL
from core.verdict import Verdict


def register_model(
    session: Session,
    model_id: str,
    *,
    stage: str,
    base_model: str,
    location: str,
    manifest: dict[str, Any],
    project: str = DEFAULT,
    job_id: str | None = None,
    base_id: str | None = None,
    adapter_rank: int | None = None,
    canary: dict[str, Any] | None = None,
    parity: ParityRecord | None = None,
    gate: Verdict | None = None,
) -> None:
    """Make a model known under its public name.

    Registering the same one again changes nothing, but for one that was removed and that a retry has made anew.
    Of a job that is final, only a run that lost its lease would say so: it is not believed.
    """
    made = {
        "location": location,
        "manifest": manifest,
        "base_id": base_id,
        "adapter_rank": adapter_rank,
        "canary": canary,
        "parity": None if parity is None else parity.model_dump(mode="json"),
        "gate": None if gate is None else gate.model_dump(mode="json"),
    }
    values = {"stage": stage, "base_model": base_model, "project": project, "job_id": job_id, **made}
    made_anew = {**made, "created_at": func.now(), "removed_at": None}
    is_final = select(Job.id).where(Job.id == job_id, Job.status.in_(FINAL)).exists()
    session.execute(
        insert(Model)
        .values(id=model_id, **values)
        .on_conflict_do_update(index_elements=["id"], set_=made_anew, where=Model.removed_at.is_not(None) & ~is_final)
    )


def record_parity(session: Session, model_id: str, made: datetime, parity: ParityRecord) -> None:
    """Keep with the model what a check of its parity found, unless a retried job has made it anew since `made`."""
    query = update(Model).where(Model.id == model_id, Model.created_at == made)
    session.execute(query.values(parity=parity.model_dump(mode="json")))


def record_gate(session: Session, model_id: str, verdict: Verdict) -> None:
    """Keep with the model what its gate found."""
    session.execute(update(Model).where(Model.id == model_id).values(gate=verdict.model_dump(mode="json")))


def gate_of(session: Session, model_id: str) -> Verdict | None:
    """What the model's gate found last, if anything was looked into."""
    found = session.scalar(select(Model.gate).where(Model.id == model_id))
    return None if found is None else Verdict.model_validate(found)


def parity_of(session: Session, model_id: str) -> ParityRecord | None:
    """What the last check of the model's parity found, if there was one."""
    found = session.scalar(select(Model.parity).where(Model.id == model_id))
    return None if found is None else ParityRecord.model_validate(found)


def register_base(session: Session, model_id: str, *, base_model: str, location: str, project: str = DEFAULT) -> None:
    """Make a base model known to the project.

    One that is known already is now found at `location`: its folder may have moved.
    """
    place = {"base_model": base_model, "location": location, "removed_at": None}
    session.execute(
        insert(Model)
        .values(id=model_id, stage="base", manifest={}, **place)
        .on_conflict_do_update(
            index_elements=["id"],
            set_=place,
            where=or_(Model.location != location, Model.removed_at.is_not(None)),
        )
    )
    session.execute(insert(ModelUse).values(project=project, model_id=model_id).on_conflict_do_nothing())


def get_model(session: Session, model_id: str) -> Model:
    """The model, or NotFound."""
    model = session.get(Model, model_id)
    if model is None:
        raise no_model(model_id)
    return model


def manifest_of(session: Session, model_id: str) -> Manifest:
    """What the model was made of; NotFound for a base model, which no job made."""
    model = get_model(session, model_id)
    if not model.manifest:
        raise NotFound(
            f"{model_id} is a base model: only models that jobs made have a manifest and a card", param="model"
        )
    return Manifest.model_validate(model.manifest)


def no_model(model_id: str) -> NotFound:
    """The error for a name that no model has."""
    return NotFound(f"no model {model_id!r}: GET /models lists those there are", param="model")
