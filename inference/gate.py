"""Where requests wait while the model changes.

Closed, it lets nobody in and those inside finish; whoever waits gets in when it opens, or NotServing when time is up.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from core.errors import NotServing


class Gate:
    """Open or closed, and the number of requests inside; all of it in one event loop."""

    def __init__(self, timeout_s: float, *, closed_for: str | None = None) -> None:
        self.timeout_s = timeout_s
        self.inside = 0
        self._reason = closed_for
        self._turns_away = False
        self._retry_after_s: int | None = None
        self._shut = False
        self._opened = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        if closed_for is None:
            self._opened.set()

    @property
    def closed_for(self) -> str | None:
        """Why the gate is closed, or None."""
        return self._reason

    def close(self, reason: str, *, turn_away: bool = False, retry_after_s: int | None = None) -> None:
        """Let nobody in any more; with `turn_away` nobody waits either, but is told when to come back."""
        self._reason, self._turns_away, self._retry_after_s = reason, turn_away, retry_after_s
        if turn_away:
            self._opened.set()  # for those who wait already
        self._opened.clear()

    def open(self) -> None:
        """Let everybody in."""
        self._reason, self._turns_away = None, False
        self._opened.set()

    def shut_down(self) -> None:
        """Turn everybody away, those that wait included, for good."""
        self._shut = True
        self._opened.set()

    async def drained(self, timeout_s: float | None) -> bool:
        """Wait until nobody is inside; False when that takes longer.  Without a limit, requests must have one."""
        try:
            await asyncio.wait_for(self._empty.wait(), timeout_s)
        except TimeoutError:
            return False
        return True

    @asynccontextmanager
    async def passing(self, deadline: float | None = None) -> AsyncIterator[None]:
        """Be inside for the length of the block; `deadline` is a time of the event loop's clock."""
        await self.wait(deadline)
        self._enter()
        try:
            yield
        finally:
            self.leave()

    def enter_now(self) -> bool:
        """Be inside, until `leave`, if it is open; False, and outside, if it is not."""
        if self._reason is not None or self._shut:
            return False
        self._enter()
        return True

    def leave(self) -> None:
        """Be outside again."""
        self.inside -= 1
        if not self.inside:
            self._empty.set()

    def _enter(self) -> None:
        self.inside += 1
        self._empty.clear()

    async def wait(self, deadline: float | None = None) -> None:
        """Return when it is open; NotServing at the deadline, or when it is shut down."""
        if deadline is None:
            deadline = asyncio.get_running_loop().time() + self.timeout_s
        # It may have closed again between the event and the moment this task runs.
        while self._reason is not None and not self._shut:
            if self._turns_away:
                raise NotServing(f"{self._reason}: send the request again later", self._retry_after_s)
            try:
                async with asyncio.timeout_at(deadline):
                    await self._opened.wait()
            except TimeoutError:
                raise NotServing(
                    f"waited {self.timeout_s:g} s ({self._reason}): send the request again, "
                    "or raise TUNESMITH_GATE_TIMEOUT_S"
                ) from None
        if self._shut:
            raise NotServing("the gateway is shutting down: send the request again")
