"""The sync engine limits its statements, and tells faults that pass from those that stay."""

import pytest
from sqlalchemy import bindparam, select, text
from sqlalchemy.exc import DBAPIError

from core.db import STATEMENT_TIMEOUT_S, engine, may_pass, new_engine, transaction
from core.models import Job
from tests.conftest import Services


def shown(name: str, url: str, timeout_s: int | None = None) -> str:
    """A setting of a connection that a new engine makes."""
    fresh = new_engine(url, timeout_s)
    try:
        with fresh.connect() as connection:
            return str(connection.execute(text(f"SHOW {name}")).scalar_one())
    finally:
        fresh.dispose()


def test_statements_of_workers_and_the_gateway_are_limited(services: Services) -> None:
    with engine().connect() as connection:
        assert connection.execute(text("SHOW statement_timeout")).scalar_one() == f"{STATEMENT_TIMEOUT_S}s"


def test_an_engine_that_sets_no_limit_has_none(services: Services) -> None:
    assert shown("statement_timeout", services.database_url) == "0"


def test_options_of_the_url_are_kept(services: Services) -> None:
    url = f"{services.database_url}&options=-c%20work_mem%3D5MB"
    assert shown("work_mem", url, timeout_s=7) == "5MB"
    assert shown("statement_timeout", url, timeout_s=7) == "0"


def test_a_server_that_is_not_there_may_come_back(tmp_path: object) -> None:
    with pytest.raises(DBAPIError) as away, new_engine(f"postgresql://u@/d?host={tmp_path}").connect():
        pass
    assert may_pass(away.value)


@pytest.mark.parametrize(
    ("statement", "passes"),
    [
        ("SELECT pg_terminate_backend(pg_backend_pid())", True),
        ("SET LOCAL statement_timeout = 1; SELECT pg_sleep(60)", True),
        ("DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$", True),
        ("DO $$ BEGIN RAISE SQLSTATE '53300'; END $$", True),
        ("DO $$ BEGIN RAISE SQLSTATE '23505'; END $$", False),
        ("SELECT 1 / 0", False),
    ],
)
def test_errors_of_the_server_pass_or_stay(services: Services, statement: str, passes: bool) -> None:
    with pytest.raises(DBAPIError) as failed, transaction() as session:
        session.execute(text(statement))
    assert may_pass(failed.value) == passes


def test_a_statement_that_can_never_be_sent_does_not_pass(services: Services) -> None:
    too_many = select(Job.id).where(Job.id.in_(bindparam("ids", expanding=True)))
    with pytest.raises(DBAPIError, match="65535") as failed, transaction() as session:
        session.execute(too_many, {"ids": [str(number) for number in range(70_000)]})
    assert not may_pass(failed.value)
