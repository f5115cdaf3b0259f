"""Telling the workers about a new job, after its answer has gone out.

A lost ring costs time, not the job: beat rings again.  So a broker that is away neither fails nor delays a request.
"""

import logging
from dataclasses import dataclass

import anyio.to_thread

from core import queue

log = logging.getLogger("api")


@dataclass
class Rings:
    """The rings that are still to be made; one thread at a time makes them, so that requests compete with no more."""

    owed: int = 0
    is_ringing: bool = False


async def ring(rings: Rings) -> None:
    """Ring once more, in a thread; a hanging broker holds that for seconds, and what was owed by then is dropped."""
    rings.owed += 1
    if rings.is_ringing:
        return
    rings.is_ringing = True
    try:
        while rings.owed:
            count, rings.owed = rings.owed, 0
            if not await anyio.to_thread.run_sync(_ring, count):
                log.warning("doorbell.failed the broker is away; beat rings again")
    finally:
        rings.is_ringing = False


async def ring_for_preflight() -> None:
    """Tell the ops workers that somebody waits, in a thread."""
    if not await anyio.to_thread.run_sync(queue.ring, queue.PREFLIGHT, queue.OPS):
        log.warning("doorbell.failed the broker is away; beat rings again")


def _ring(count: int) -> bool:
    return all(queue.ring() for _ in range(count))
