"""Waiting on a condition with a deadline: the only way a test may let time pass."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T], deadline_s: float = 10, every_s: float = 0.02) -> T:
    """Return the first truthy value of `condition`; fail with its last value after `deadline_s`."""
    end = time.monotonic() + deadline_s
    while not (value := condition()):
        if time.monotonic() > end:
            name = getattr(condition, "__qualname__", condition)
            raise AssertionError(f"{name} was still {value!r} after {deadline_s:g} s")
        time.sleep(every_s)
    return value


async def until(condition: Callable[[], object], deadline_s: float = 10) -> None:
    """The same within an event loop, whose other tasks go on."""
    async with asyncio.timeout(deadline_s):
        while not condition():  # noqa: ASYNC110  (the condition sets no event)
            await asyncio.sleep(0.001)
