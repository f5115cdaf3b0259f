"""A clock that tells the time of day and never jumps: set once, then driven by the machine's monotonic clock."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def steady_clock() -> Callable[[], datetime]:
    """A function that tells the time (UTC) without noticing that somebody sets the machine's clock."""
    began, mark = datetime.now(UTC), time.monotonic()
    return lambda: began + timedelta(seconds=time.monotonic() - mark)
