"""Puts one model in the place of another: start, staged swap, or restart behind the gate; and back when it fails.

start    vLLM is not running: requests are answered "not serving" until it is
swap     same architecture and tokenizer: about a second behind the gate
restart  anything else: as long behind the gate as vLLM takes to start
alias    the model is served already and gets another name
"""

import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from core.errors import ServiceError, UpstreamFailed
from inference.endpoint import Endpoint
from inference.names import Served
from inference.swap import EngineControl, NeedsRestart

log = logging.getLogger(__name__)


class Withdrawn(ServiceError):
    """The model is not wanted any more; what was served is served still."""

    status, code = 409, "conflict"


class Rollout:
    """One change of the served model.  `strategy` and `timings` (in seconds, by phase) tell how it went."""

    def __init__(
        self,
        endpoint: Endpoint,
        drain_timeout_s: float,
        roots: Callable[[], Awaitable[set[Path]]],
        swapping: Callable[[], Awaitable[None]],
    ) -> None:
        """`swapping` is awaited just before what is served changes; it may still raise Withdrawn."""
        self.strategy: str | None = None
        self.timings: dict[str, float] = {}
        self._endpoint = endpoint
        self._control = EngineControl(endpoint.engine)
        self._drain_timeout_s = drain_timeout_s
        self._roots = roots
        self._swapping = swapping

    async def carry_out(self, old: Served | None, new: Served) -> None:
        """Serve `new`.

        On an error, Withdrawn among them, `old` is served as before, or vLLM is down and the reconciler will start it
        on `old`.
        """
        with self._timed("total_s"):
            if old is not None and old.model_id == new.model_id and self._endpoint.engine.running:
                self.strategy = "alias"
                await self._swapping()
                self._endpoint.served = replace(old, aliases=old.aliases | new.aliases)
            elif old is None or not self._endpoint.engine.running:
                self.strategy = "start"
                await self._swapping()
                await self.start(new)
                self._endpoint.gate.open()
            else:
                await self._replace(old, new)

    async def start(self, served: Served) -> None:
        """Start vLLM on the model and check it; vLLM is stopped again when that fails."""
        try:
            with self._timed("start_s"):
                await self._endpoint.engine.start(served.path, {*await self._roots(), served.path})
            with self._timed("check_s"):
                await self._control.check()
        except BaseException:
            await self._endpoint.engine.stop()
            raise
        self._endpoint.served = served

    async def _replace(self, old: Served, new: Served) -> None:
        self.strategy = "swap"
        try:
            with self._timed("stage_s"):
                await self._control.stage(new.path)
        except NeedsRestart as reason:
            log.info("rollout.restart reason=%s", reason)
            self.strategy = "restart"
        try:
            await self._swapping()
        except Withdrawn:
            if self.strategy == "swap":
                await self._control.discard()
            raise
        gate = self._endpoint.gate
        gate.close(f"{new.model_id} is being put in place")
        with self._timed("gated_s"):
            try:
                await self._drain()
                if self.strategy == "swap":
                    await self._swap(old, new)
                else:
                    await self._restart(old, new)
            finally:
                # Without a running vLLM the gate stays closed: the reconciler starts it again and opens.
                if self._endpoint.engine.running:
                    gate.open()

    async def _drain(self) -> None:
        with self._timed("drain_s"):
            drained = await self._endpoint.gate.drained(self._drain_timeout_s)
        if drained:
            return
        if self.strategy == "swap":
            await self._control.discard()
        raise UpstreamFailed(
            f"{self._endpoint.gate.inside} answers were still running after {self._drain_timeout_s:g} s: "
            "raise TUNESMITH_DRAIN_TIMEOUT_S, or ask for it again when there is less traffic"
        )

    async def _swap(self, old: Served, new: Served) -> None:
        try:
            with self._timed("commit_s"):
                await self._control.commit()
        except ServiceError:
            # The plugin restored the old weights itself; the check tells whether it could.
            await self._ensure(old, put_back=False)
            raise
        try:
            with self._timed("check_s"):
                await self._control.check()
        except ServiceError:
            await self._ensure(old, put_back=True)
            raise
        self._endpoint.served = new

    async def _ensure(self, old: Served, *, put_back: bool) -> None:
        """Make sure that the old model answers, by its weights or by a new vLLM."""
        with self._timed("rollback_s"):
            try:
                if put_back:
                    await self._control.roll_back()
                await self._control.check()
            except ServiceError as error:
                log.error("rollout.rollback_failed error=%s", error)
                await self._start_again(old)

    async def _restart(self, old: Served, new: Served) -> None:
        try:
            with self._timed("stop_s"):
                await self._endpoint.engine.stop()
            await self.start(new)
        except ServiceError:
            with self._timed("rollback_s"):
                await self._start_again(old)
            raise

    async def _start_again(self, old: Served) -> None:
        try:
            await self.start(old)
        except ServiceError as error:
            # The deployment failed for another reason, which is the one to report; the reconciler tries this again.
            log.error("rollout.restart_failed model=%s error=%s", old.model_id, error)

    @contextmanager
    def _timed(self, phase: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.timings[phase] = round(self.timings.get(phase, 0.0) + time.monotonic() - began, 3)
