"""Waiting on a condition with a deadline: the only way a test may let time pass."""

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
