"""Waiting on a condition with a deadline: the only way a test may let time pass."""

import asyncio
from collections.abc import Callable

from bench.waiting import wait_until

__all__ = ["until", "wait_until"]


async def until(condition: Callable[[], object], deadline_s: float = 10) -> None:
    """`wait_until` within an event loop, whose other tasks go on."""
    async with asyncio.timeout(deadline_s):
        while not condition():  # noqa: ASYNC110  (the condition sets no event)
            await asyncio.sleep(0.001)
