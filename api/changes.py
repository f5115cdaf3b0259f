"""Transactions of requests that change something: each leaves its entry in the audit log, or changes nothing."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from api.access import Caller
from api.db import transaction
from core import audit
from core.errors import ServiceError

log = logging.getLogger("api")
TOLD_OF = frozenset({403, 404, 409})
"""Refusals that the log keeps: of what the caller may not, or cannot, change.  A mistake in a body is none of them."""


@asynccontextmanager
async def changing(caller: Caller, within: str | None) -> AsyncIterator[AsyncSession]:
    """One transaction that sees what is the project's, with the entry of what its block changed."""
    async with transaction(within) as session:
        yield session
        if caller.change is not None and caller.changed is not None:
            session.add(audit.entry(caller.change, caller.changed))


async def note_refusal(caller: Caller, error: ServiceError) -> None:
    """Write down that a change was refused; the refusal stands whether that succeeds or not."""
    if caller.change is None or error.status not in TOLD_OF:
        return
    try:
        async with transaction(None) as session:
            session.add(audit.entry(caller.change, caller.changed, error.code))
    except (SQLAlchemyError, OSError) as failure:
        log.warning("audit.refusal_not_written request_id=%s: %s", caller.change.request_id, failure)
