"""The sync engine and its transactions, for workers and the gateway; the api's async one is in api/db.py."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session, sessionmaker

from core.settings import get_settings

CONNECT_ARGS = {"connect_timeout": 5, "application_name": "tunesmith"}


def driver_url(url: str) -> str:
    """The URL with psycopg 3 as its driver, whatever the usual spellings of Postgres URLs leave out."""
    for prefix in ("postgresql://", "postgres://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    return url


def new_engine(url: str) -> Engine:
    """A small sync pool that notices dead connections."""
    return create_engine(driver_url(url), pool_size=2, max_overflow=3, pool_pre_ping=True, connect_args=CONNECT_ARGS)


@lru_cache
def engine() -> Engine:
    """This process's sync engine."""
    return new_engine(get_settings().database_url)


@contextmanager
def transaction() -> Iterator[Session]:
    """One sync transaction: committed at the end of the block, rolled back on any error."""
    with sessionmaker(engine(), expire_on_commit=False).begin() as session:
        yield session
