"""GET /health: whether this process can do its work."""

import asyncio
import logging
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from api.db import async_engine
from api.schemas.health import Health

log = logging.getLogger("api")
router = APIRouter(tags=["health"])
DATABASE_TIMEOUT_S = 2.0


async def database_answers() -> bool:
    """Whether Postgres answers a query in time."""
    try:
        async with asyncio.timeout(DATABASE_TIMEOUT_S), async_engine().connect() as connection:
            await connection.execute(text("SELECT 1"))
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        log.warning("database.unavailable %s", error)
        return False
    return True


@router.get("/health", responses={503: {"model": Health, "description": "The database is away"}})
async def health(response: Response, database: Annotated[bool, Depends(database_answers)]) -> Health:
    """Needs no key."""
    if not database:
        response.status_code = 503
        return Health(status="unavailable", database="unavailable")
    return Health(status="ok", database="ok")
