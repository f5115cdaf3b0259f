"""The api's async engines and sessions.  SQLAlchemy's asyncio side needs greenlet, which no other process does."""

import select
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any, LiteralString, TypeVar, cast

from psycopg import AsyncConnection
from psycopg.rows import namedtuple_row
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session

from core.db import STATEMENT_TIMEOUT_S, connect_args, driver_url
from core.isolation import WITHIN, ConfinedSession
from core.settings import get_settings

Result = TypeVar("Result")
CONNECTIONS = 16
"""Of each engine, all kept open: with fewer kept than opened, a busy api spends its time on opening them."""


@lru_cache
def async_engine() -> AsyncEngine:
    """The engine of transactions; a request that gets no connection within 5 s is told so.

    It prepares nothing: a prepared list gets one plan for every filter, and at 1,000,000 jobs the plan for a common
    value reads nearly all of them to find a rare one.
    """
    return _new_engine({"prepare_threshold": None})


@lru_cache
def statement_engine() -> AsyncEngine:
    """The engine of `first_row`, whose connections commit every statement."""
    return _new_engine({}, isolation_level="AUTOCOMMIT", pool_reset_on_return=None)


@lru_cache
def _sessions() -> async_sessionmaker[AsyncSession]:
    """Makes sessions whose objects stay readable after the commit."""
    return async_sessionmaker(async_engine(), expire_on_commit=False, sync_session_class=ConfinedSession)


@asynccontextmanager
async def transaction(within: str | None) -> AsyncIterator[AsyncSession]:
    """One transaction, committed at the end of the block, that sees what is the project's; with None, everything."""
    async with _sessions()(info={WITHIN: within}) as session, session.begin():
        yield session


async def in_transaction(work: Callable[[Session], Result], /) -> Result:
    """Run one transaction that is about no project in particular."""
    async with transaction(None) as session:
        return await session.run_sync(work)


async def first_row(statement: LiteralString, parameters: Mapping[str, Any]) -> Any:
    """Run one statement, committed when it is done, and return its first row as a named tuple, or None.

    For the requests that come often: one round trip, by psycopg itself, on a connection of SQLAlchemy's pool.
    SQLAlchemy's own execution took twice the computing for reading a job.
    """
    pooled = await statement_engine().raw_connection()
    try:
        connection = cast(AsyncConnection[Any], pooled.driver_connection)
        cursor = connection.cursor(row_factory=namedtuple_row)
        return await (await cursor.execute(statement, parameters)).fetchone()
    finally:
        pooled.close()


async def dispose() -> None:
    """Close every connection."""
    for engine in (async_engine(), statement_engine()):
        await engine.dispose()


def _new_engine(arguments: Mapping[str, object], **options: Any) -> AsyncEngine:
    url = get_settings().database_url
    engine = create_async_engine(
        driver_url(url),
        connect_args={**connect_args(url, STATEMENT_TIMEOUT_S), **arguments},
        pool_size=CONNECTIONS,
        max_overflow=0,
        pool_timeout=5,
        **options,
    )
    event.listen(engine.sync_engine, "checkout", _refuse_a_dead_one)
    return engine


def _refuse_a_dead_one(dbapi_connection: Any, record: Any, proxy: Any) -> None:
    """Have the pool replace a connection that the server has closed, as a restart of Postgres does.

    Nothing comes unasked on an idle connection but its end.  Looking costs no round trip, as a ping would.
    """
    connection: AsyncConnection[Any] = dbapi_connection.driver_connection
    poll = select.poll()
    if not connection.closed:
        poll.register(connection.fileno(), select.POLLIN)
    if connection.closed or poll.poll(0):
        raise DisconnectionError("the server has closed the connection")
