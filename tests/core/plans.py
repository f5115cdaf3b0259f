"""Many jobs, and how Postgres reads them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import event
from sqlalchemy.orm import Session

from bench.listing import fill
from core.db import engine, transaction
from tests.conftest import Services

ROWS = 10_000


@contextmanager
def filled(services: Services) -> Iterator[psycopg.Connection]:
    """A connection, and the tables as the benchmark fills them: 20 jobs are paused, and 20 carry the rare metadata."""
    with psycopg.connect(services.database_url.replace("+psycopg", ""), autocommit=True) as connection:
        fill(connection, ROWS)
        yield connection
        connection.execute("TRUNCATE jobs CASCADE")
        connection.execute("ANALYZE jobs")


def plan_of(ask: Callable[[Session], object]) -> str:
    """How Postgres reads what is asked for last, in its own words."""
    asked: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        asked.append((statement, parameters))

    with transaction() as session:
        event.listen(engine(), "before_cursor_execute", note)
        try:
            ask(session)
        finally:
            event.remove(engine(), "before_cursor_execute", note)
        statement, parameters = asked[-1]
        rows = session.connection().exec_driver_sql(f"EXPLAIN {statement}", parameters)
        return "\n".join(row[0] for row in rows)
