"""Telling the workers about a new job, after its answer has gone out.

A lost ring costs time, not the job: beat rings again.  So a broker that is away neither fails nor delays a request.
"""

import logging

import anyio.to_thread
from anyio import CapacityLimiter

from core import queue

log = logging.getLogger("api")


async def ring(rings: CapacityLimiter) -> None:
    """Ring in a thread of a few that are kept for it; a hanging broker holds those for seconds."""
    if not await anyio.to_thread.run_sync(queue.ring, limiter=rings):
        log.warning("doorbell.failed the broker is away; beat rings again")
