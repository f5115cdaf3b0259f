"""Projects: whose jobs share the workers, and within which limits.

A Session is a transaction that the caller commits.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.errors import Conflict, NotFound
from core.models import Job, Project, Run
from core.states import WORKING

DEFAULT = "default"


@dataclass(frozen=True)
class Quotas:
    """What a project may have; None is no limit."""

    max_queued: int | None
    file_bytes: int | None
    storage_bytes: int | None


def quotas_of(project: Project) -> Quotas | None:
    """The project's, if it has any."""
    quotas = Quotas(project.max_queued, project.file_bytes, project.storage_bytes)
    return None if quotas == Quotas(None, None, None) else quotas


def ensure(session: Session, name: str) -> None:
    """Make the project known, without limits, if it is not."""
    session.execute(insert(Project).values(name=name).on_conflict_do_nothing())


def get(session: Session, name: str) -> Project:
    """The project, or NotFound."""
    project = session.get(Project, name)
    if project is None:
        raise NotFound(f"no project {name!r}: GET /projects lists those there are", param="project")
    return project


def create(session: Session, name: str, limits: dict[str, Any]) -> Project:
    """A new project; Conflict when there is one of that name."""
    query = insert(Project).values(name=name, **limits).on_conflict_do_nothing().returning(Project)
    made = session.scalars(query).one_or_none()
    if made is None:
        raise Conflict(f"there is a project {name!r} already: PATCH /projects/{name} changes its limits", param="name")
    return made


def change(session: Session, name: str, changes: dict[str, Any]) -> Project:
    """Set some of the limits of the project, which is made if it is not there."""
    ensure(session, name)
    project = session.get_one(Project, name, with_for_update=True)
    for key, value in changes.items():
        setattr(project, key, value)
    session.flush()
    session.refresh(project)
    return project


def every(session: Session) -> list[Project]:
    """All projects, by name."""
    return list(session.scalars(select(Project).order_by(Project.name)))


def over_budget(session: Session) -> list[str]:
    """Ids of the jobs at work whose project has used up its hours."""
    limited = session.scalars(select(Project).where(Project.gpu_hours.is_not(None)))
    running = running_s(session)
    spent = [project.name for project in limited if left_s(project, running) <= 0]
    return list(session.scalars(select(Job.id).where(Job.project.in_(spent), Job.status.in_(WORKING))))


def used_s(session: Session, project: Project) -> float:
    """Seconds that workers have spent on the project's jobs, those at work now included."""
    return project.used_s + running_s(session).get(project.name, 0.0)


def running_s(session: Session) -> dict[str, float]:
    """Seconds that the jobs at work have run by now, in all, by project."""
    query = (
        select(Job.project, func.sum(func.extract("epoch", func.now() - Run.started_at)))
        .join(Run, (Job.id == Run.job_id) & (Job.attempt == Run.attempt))
        .where(Job.lease_token.is_not(None))
        .group_by(Job.project)
    )
    return {name: float(seconds) for name, seconds in session.execute(query)}


def left_s(project: Project, running_s: Mapping[str, float]) -> float:
    """Seconds that the project's budget still holds; infinity without one."""
    if project.gpu_hours is None:
        return math.inf
    return project.gpu_hours * 3600 - project.used_s - running_s.get(project.name, 0.0)
