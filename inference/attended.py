"""`with Attended(call, limit_s)`: the block is cancelled when its time is up or its client leaves, and says which."""

import asyncio
from types import TracebackType

from inference.connection import Call, ClientLeft


class Attended:
    """Ends with TimeoutError or ClientLeft in place of the cancellation that it caused."""

    def __init__(self, call: Call, limit_s: float) -> None:
        self._call = call
        self._limit_s = limit_s
        self._reason: type[TimeoutError | ClientLeft] | None = None

    def __enter__(self) -> "Attended":
        if self._call.disconnected:
            raise ClientLeft
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._timer = asyncio.get_running_loop().call_later(self._limit_s, self._end, TimeoutError)
        self._call.on_left = self._leave
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._timer.cancel()
        self._call.on_left = None
        # Whoever else cancelled the task, as a shutdown does, has precedence.
        if self._reason is not None and self._task.uncancel() == 0 and kind is asyncio.CancelledError:
            raise self._reason

    def _leave(self) -> None:
        self._end(ClientLeft)

    def _end(self, reason: type[TimeoutError | ClientLeft]) -> None:
        if self._reason is None:
            self._reason = reason
            self._task.cancel()
