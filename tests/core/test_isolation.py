"""Sessions that see one project's rows only, whatever is asked of them."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import delete, event, exists, func, select, update
from sqlalchemy.orm import aliased

from core import db
from core.isolation import ACROSS, WITHIN, ConfinedSession
from core.models import AliasOwner, Base, Event, Job, ModelUse, Project
from tests.core.sessions import new_job, read

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def jobs() -> tuple[str, str]:
    """One of project a, one of project b."""
    return new_job(project="a"), new_job(project="b")


@pytest.fixture
def of_a() -> Iterator[ConfinedSession]:
    with ConfinedSession(db.engine(), info={WITHIN: "a"}) as session:
        yield session


def test_every_way_of_reading_is_confined(of_a: ConfinedSession, jobs: tuple[str, str]) -> None:
    own, other = jobs
    twin = aliased(Job)
    assert [job.id for job in of_a.scalars(select(Job))] == [own]
    assert list(of_a.scalars(select(Job.id).where(Job.id.in_(jobs)))) == [own]
    assert of_a.scalar(select(func.count()).select_from(Job)) == 1
    assert list(of_a.scalars(select(twin.id))) == [own]
    assert list(of_a.scalars(select(Event.job_id).join(Job, Job.id == Event.job_id))) == [own]
    assert of_a.scalar(select(exists().where(Job.id == other))) is False
    assert list(of_a.scalars(select(Project.name))) == ["a"]
    assert of_a.get(Job, own) is not None
    assert of_a.get(Job, other) is None
    assert of_a.get(Job, other, with_for_update=True) is None


def test_every_way_of_changing_is_confined(of_a: ConfinedSession, jobs: tuple[str, str]) -> None:
    own, other = jobs
    of_a.execute(update(Job).values(priority=7))
    of_a.execute(delete(Job).where(Job.id == other))
    of_a.commit()
    assert (read(own).priority, read(other).priority) == (7, 0)


def test_a_statement_can_look_across_where_it_says_so(of_a: ConfinedSession, jobs: tuple[str, str]) -> None:
    assert of_a.scalar(select(func.count()).select_from(Job), execution_options=ACROSS) == 2


def test_a_session_of_all_projects_sees_all(jobs: tuple[str, str]) -> None:
    with ConfinedSession(db.engine(), info={WITHIN: None}) as session:
        assert set(session.scalars(select(Job.id))) == set(jobs)


def test_a_session_that_does_not_say_for_whom_reads_nothing(jobs: tuple[str, str]) -> None:
    with ConfinedSession(db.engine()) as session, pytest.raises(KeyError):
        session.scalars(select(Job))


def test_every_table_with_a_project_is_confined(of_a: ConfinedSession) -> None:
    sent: list[str] = []
    tables = {mapper.class_ for mapper in Base.registry.mappers if "project" in mapper.columns}
    for table in tables - {ModelUse, AliasOwner}:  # read by core.isolation and core.aliases alone
        with statements(sent):
            of_a.scalars(select(table)).all()
        assert "project = %(project_1)s" in sent[-1], table


@contextmanager
def statements(sent: list[str]) -> Iterator[None]:
    """Collect what is sent to Postgres meanwhile."""

    def note(connection: object, cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    event.listen(db.engine(), "before_cursor_execute", note)
    try:
        yield
    finally:
        event.remove(db.engine(), "before_cursor_execute", note)
