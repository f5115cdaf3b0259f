"""Preflights in Postgres: asked for, claimed by whoever has time, ended once, and forgotten.

Every function takes a sync Session inside a transaction that the caller commits.  The row is the truth and a message
only a doorbell: one that is lost is rung again, and a preflight whose process is gone is claimed anew when its time
is up.  What a claim writes is guarded by its token, so whoever comes too late changes nothing.
"""

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, undefer

from core.errors import Conflict, NotFound, PreflightLost
from core.idempotency import digest
from core.ids import new_id
from core.models import Job, Preflight
from core.projects import DEFAULT
from core.spec import JobSpec
from core.states import PreflightStatus

OPEN = (PreflightStatus.QUEUED, PreflightStatus.RUNNING)
LEASE_S = 60.0
"""A claim that was not renewed for so long is another's to take."""
MOST_ATTEMPTS = 3
"""A preflight whose process was lost so often is given up."""
_LOST = PreflightLost(
    f"the preflight was begun {MOST_ATTEMPTS} times, and its process was lost each time: look at the log of the ops "
    "worker, and whether it has memory enough"
)


@dataclass(frozen=True)
class Claimed:
    """The right to end a preflight, for as long as it is renewed."""

    preflight_id: str
    spec: JobSpec
    token: uuid.UUID


def ask(session: Session, spec: JobSpec, project: str = DEFAULT, supersedes: str | None = None) -> Preflight:
    """The open preflight of the same spec, or a new one; the one that it supersedes is cancelled."""
    body_sha256 = digest(spec)
    mine = (Preflight.project == project, Preflight.job_id.is_(None), Preflight.status.in_(OPEN))
    if supersedes is not None:
        cancelled = update(Preflight).where(*mine, Preflight.id == supersedes, Preflight.body_sha256 != body_sha256)
        session.execute(cancelled.values(status=PreflightStatus.CANCELLED, finished_at=func.now(), token=None))
    same = select(Preflight).where(*mine, Preflight.body_sha256 == body_sha256).order_by(Preflight.created_at).limit(1)
    found = session.scalar(same)
    if found is None:
        found = Preflight(
            id=new_id("preflight"), project=project, spec=spec.model_dump(mode="json"), body_sha256=body_sha256
        )
        session.add(found)
        session.flush()
        session.refresh(found)
    return found


def get(session: Session, preflight_id: str, *, with_preview: bool = False) -> Preflight:
    """The preflight; NotFound once it was swept."""
    options = [undefer(Preflight.preview)] if with_preview else []
    found = session.get(Preflight, preflight_id, options=options)
    if found is None:
        problem = f"no preflight {preflight_id!r}: they are kept for some days; POST /jobs/preflight makes a new one"
        raise NotFound(problem, param="preflight_id")
    return found


def of_job(session: Session, job_id: str, *, with_preview: bool = False) -> Preflight:
    """The preflight that the job's run made; NotFound before its data was prepared."""
    query = select(Preflight).where(Preflight.job_id == job_id)
    found = session.scalar(query.options(undefer(Preflight.preview)) if with_preview else query)
    if found is None:
        problem = f"job {job_id} has no preflight yet: it appears when the job's data has been prepared"
        raise NotFound(problem, param="job_id")
    return found


def preview_of(preflight: Preflight) -> list[dict[str, Any]]:
    """The sample rows of every stage; Conflict while there are none."""
    if not preflight.preview:
        problem = f"preflight {preflight.id} is {preflight.status} and has no sample rows"
        raise Conflict(f"{problem}: they are there once the data of a stage could be prepared", param="preflight_id")
    return preflight.preview


def claim(session: Session, lease_s: float = LEASE_S) -> Claimed | None:
    """Take the oldest preflight that nobody is at; None when there is none."""
    session.execute(
        update(Preflight)
        .where(_is_free(), Preflight.attempt >= MOST_ATTEMPTS)
        .values(status=PreflightStatus.FAILED, problems=[_LOST.problem()], finished_at=func.now(), token=None)
    )
    oldest = select(Preflight.id).where(_is_free()).order_by(Preflight.created_at).limit(1)
    row = session.execute(
        update(Preflight)
        .where(Preflight.id == oldest.with_for_update(skip_locked=True).scalar_subquery())
        .values(
            status=PreflightStatus.RUNNING,
            attempt=Preflight.attempt + 1,
            token=uuid.uuid4(),
            expires_at=func.now() + timedelta(seconds=lease_s),
        )
        .returning(Preflight.id, Preflight.spec, Preflight.token)
    ).one_or_none()
    return None if row is None else Claimed(row.id, JobSpec.model_validate(row.spec), row.token)


def renew(session: Session, claimed: Claimed) -> bool:
    """Hold the claim on; False when the preflight was cancelled, or somebody else has taken it."""
    mine = update(Preflight).where(Preflight.id == claimed.preflight_id, Preflight.token == claimed.token)
    renewed = session.execute(mine.values(expires_at=func.now() + timedelta(seconds=LEASE_S)).returning(Preflight.id))
    return renewed.one_or_none() is not None


def finish(
    session: Session,
    claimed: Claimed,
    status: PreflightStatus,
    *,
    report: dict[str, Any] | None = None,
    preview: list[dict[str, Any]] | None = None,
    problems: list[dict[str, Any]] | None = None,
) -> bool:
    """End the preflight; False, with nothing written, when the claim does not hold any more."""
    statement = update(Preflight).where(Preflight.id == claimed.preflight_id, Preflight.token == claimed.token)
    values = {"report": report, "preview": preview, "problems": problems, "finished_at": func.now(), "token": None}
    ended = session.execute(statement.values(status=status, **values).returning(Preflight.id))
    return ended.one_or_none() is not None


def store_of_job(
    session: Session, job_id: str, spec: JobSpec, report: dict[str, Any], preview: list[dict[str, Any]]
) -> bool:
    """Keep what a job's run found; a later run replaces it.  Returns whether it is the first."""
    is_new = session.scalar(select(Preflight.id).where(Preflight.job_id == job_id)) is None
    found = {"report": report, "preview": preview, "status": PreflightStatus.SUCCEEDED, "finished_at": func.now()}
    project = session.scalar(select(Job.project).where(Job.id == job_id))
    statement = insert(Preflight).values(
        id=new_id("preflight"),
        job_id=job_id,
        project=project,
        spec=spec.model_dump(mode="json"),
        body_sha256=digest(spec),
        **found,
    )
    session.execute(statement.on_conflict_do_update(index_elements=["job_id"], set_=found))
    return is_new


def open_ids(session: Session) -> list[str]:
    """The preflights that are not ended yet."""
    return list(session.scalars(select(Preflight.id).where(Preflight.status.in_(OPEN))))


def sweep(session: Session, keep_s: float) -> int:
    """Forget those that are older and no job's; returns how many."""
    old = Preflight.created_at < func.now() - timedelta(seconds=keep_s)
    gone = session.execute(delete(Preflight).where(Preflight.job_id.is_(None), old).returning(Preflight.id))
    return len(gone.all())


def _is_free() -> ColumnElement[bool]:
    is_lost = and_(Preflight.status == PreflightStatus.RUNNING, Preflight.expires_at < func.now())
    return or_(Preflight.status == PreflightStatus.QUEUED, is_lost)
