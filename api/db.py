"""The api's async engine and sessions.  SQLAlchemy's asyncio side needs greenlet, which no other process does."""

from functools import lru_cache

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from core.db import CONNECT_ARGS, driver_url
from core.settings import get_settings


@lru_cache
def async_engine() -> AsyncEngine:
    """This process's engine; a request that gets no connection within 5 s is told so."""
    return create_async_engine(
        driver_url(get_settings().database_url),
        pool_size=10,
        max_overflow=10,
        pool_timeout=5,
        pool_pre_ping=True,
        connect_args=CONNECT_ARGS,
    )


@lru_cache
def async_sessions() -> async_sessionmaker[AsyncSession]:
    """Makes sessions whose objects stay readable after the commit."""
    return async_sessionmaker(async_engine(), expire_on_commit=False)
