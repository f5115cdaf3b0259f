"""Waiting on a condition with a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T], deadline_s: float = 10, every_s: float = 0.02) -> T:
    """Return the first truthy value of `condition`; TimeoutError with its last value after `deadline_s`."""
    end = time.monotonic() + deadline_s
    while not (value := condition()):
        if time.monotonic() > end:
            name = getattr(condition, "__qualname__", condition)
            raise TimeoutError(f"{name} was still {value!r} after {deadline_s:g} s")
        time.sleep(every_s)
    return value
