"""Sessions that see one project's rows only, so that no query of theirs has to think of it.

Every statement that reads, changes or deletes rows through such a session is confined, at whatever place of it they
are: rows of a project are told by their column `project`, and the base models are those that the project has used.  A
table without that column hangs on a row that has it, and must be reached through it.

`ACROSS` as an execution option lifts that, for a statement which tells nothing of the rows but, say, their number.
"""

from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, event, or_, select
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria
from sqlalchemy.sql.base import ExecutableOption

from core.models import AliasOwner, Base, Model, ModelUse, Project

ACROSS: dict[str, Any] = {"across_projects": True}
WITHIN = "within"
"""In a session's `info`: the project, or None for all of them."""


class ConfinedSession(Session):
    """A session with `info={WITHIN: …}`; without it, it executes nothing."""


@event.listens_for(ConfinedSession, "do_orm_execute")
def _confine(state: ORMExecuteState) -> None:
    within = state.session.info[WITHIN]
    if within is not None and not state.execution_options.get("across_projects"):
        state.statement = state.statement.options(*_criteria(within))


@lru_cache(maxsize=1024)
def _criteria(project: str) -> tuple[ExecutableOption, ...]:
    """What each table's rows must fulfil."""
    return tuple(
        with_loader_criteria(table, criterion, include_aliases=True) for table, criterion in _rules(project).items()
    )


def _rules(project: str) -> dict[type[Base], ColumnElement[bool]]:
    used = select(ModelUse.model_id).where(ModelUse.project == project)
    special: dict[type[Base], ColumnElement[bool]] = {
        Project: Project.name == project,
        Model: or_(Model.project == project, Model.id.in_(used)),
    }
    tables = {mapper.class_ for mapper in Base.registry.mappers} - {ModelUse, AliasOwner}
    owned = {table: table.project == project for table in tables if hasattr(table, "project")}
    return {**owned, **special}
