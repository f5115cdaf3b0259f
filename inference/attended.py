"""`with Attended(limit_s)`: the block is cancelled when its time is up or its client goes away, and says which.

Costs two timers.  Watching the client takes a task of its own, which only an answer that is not there at once is worth.
"""

import asyncio
from types import TracebackType

from starlette.types import Receive

UNWATCHED_S = 0.02


class ClientLeft(Exception):
    """Nobody is there any more to answer."""


class Attended:
    """Ends with TimeoutError or ClientLeft in place of the cancellation that it caused."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._reason: type[TimeoutError | ClientLeft] | None = None
        self._watch: asyncio.Task[None] | None = None

    def __enter__(self) -> "Attended":
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._loop = asyncio.get_running_loop()
        self._timers = [self._loop.call_later(self._limit_s, self._end, TimeoutError)]
        return self

    def watch(self, receive: Receive) -> None:
        """The request's body was read: from now on the next message can only be that the client left."""
        self._timers.append(self._loop.call_later(UNWATCHED_S, self._begin_to_watch, receive))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for timer in self._timers:
            timer.cancel()
        if self._watch is not None:
            self._watch.cancel()
        # Whoever else cancelled the task, as a shutdown does, has precedence.
        if self._reason is not None and self._task.uncancel() == 0 and kind is asyncio.CancelledError:
            raise self._reason

    def _begin_to_watch(self, receive: Receive) -> None:
        self._watch = self._loop.create_task(self._until_left(receive))

    async def _until_left(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._end(ClientLeft)

    def _end(self, reason: type[TimeoutError | ClientLeft]) -> None:
        if self._reason is None:
            self._reason = reason
            self._task.cancel()
