"""The sync engine and its transactions, for workers and the gateway; the api's async one is in api/db.py."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TypeVar

import psycopg
from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from core.settings import get_settings

Result = TypeVar("Result")
_CONNECT_ARGS: dict[str, object] = {
    "connect_timeout": 5,
    "application_name": "tunesmith",
    # A server that was cut off is noticed within 25 s.  They mean nothing on a Unix socket, and do no harm there.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
STATEMENT_TIMEOUT_S = 30
"""Longest statement of workers, the gateway and the api: below 0.75 of the lease; theirs take milliseconds."""
_AWAY = ("08", "53", "57")  # classes of SQLSTATE: connection failures, too few resources, an operator's intervention
_BLOCKED = {"40001", "40P01"}  # a serialisation failure, a deadlock


def driver_url(url: str) -> str:
    """The URL with psycopg 3 as its driver, whatever the usual spellings of Postgres URLs leave out."""
    for prefix in ("postgresql://", "postgres://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    return url


def new_engine(url: str, statement_timeout_s: int | None = None) -> Engine:
    """A small sync pool that notices dead connections."""
    arguments = connect_args(url, statement_timeout_s)
    return create_engine(driver_url(url), pool_size=2, max_overflow=3, pool_pre_ping=True, connect_args=arguments)


def connect_args(url: str, statement_timeout_s: int | None) -> dict[str, object]:
    """How to connect, with a limit on every statement.  A URL with `options` of its own keeps them, and no others."""
    if statement_timeout_s is None or "options" in make_url(driver_url(url)).query:
        return dict(_CONNECT_ARGS)
    return {**_CONNECT_ARGS, "options": f"-c statement_timeout={statement_timeout_s}s"}


@lru_cache
def engine() -> Engine:
    """This process's sync engine."""
    return new_engine(get_settings().database_url, STATEMENT_TIMEOUT_S)


@contextmanager
def transaction() -> Iterator[Session]:
    """One sync transaction: committed at the end of the block, rolled back on any error."""
    with sessionmaker(engine(), expire_on_commit=False).begin() as session:
        yield session


async def in_thread(work: Callable[[Session], Result]) -> Result:
    """Run one transaction in a thread, so that an event loop goes on."""

    def run() -> Result:
        with transaction() as session:
            return work(session)

    return await asyncio.to_thread(run)


def may_pass(error: DBAPIError) -> bool:
    """Whether the transaction may succeed once it is made again: Postgres was away, or others stood in its way."""
    if error.connection_invalidated:
        return True
    state = error.orig.sqlstate if isinstance(error.orig, psycopg.Error) else None
    if state is None:  # libpq's own error: no connection could be made, or it refuses to send the statement
        return error.statement is None
    return state.startswith(_AWAY) or state in _BLOCKED
