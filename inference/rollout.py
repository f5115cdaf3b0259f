"""Puts a version in place by the gentlest way that there is, says which and why, and puts everything back if it fails.

alias       it is loaded already and gets another name
adapter     its adapter is loaded beside the weights that are served: nobody waits
wake        vLLM slept while a job trained on the same GPU, and wakes with the new weights
swap        same architecture, tokenizer and template: the weights are exchanged, under a second behind the gate
blue_green  a second vLLM is started on it and takes over: nobody waits, if there is memory for both
restart     behind the gate, for as long as vLLM takes to start
start       no vLLM runs
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

from core.errors import Conflict, EngineFailed, ServiceError, UpstreamFailed
from core.parity import ParityRecord
from core.settings import Settings
from inference.backend import Backend
from inference.control import ExchangeFailed, NeedsRestart
from inference.fleet import Fleet, Guest
from inference.names import ENGINE_NAME
from inference.parity import ParityCheck
from inference.room import Room, room_for
from inference.version import Version, Wish

log = logging.getLogger(__name__)


class Withdrawn(Conflict):
    """The model is not wanted any more; what was served is served still."""


class NoRoom(Conflict):
    """The model is there to be measured beside what is live, and the memory is not."""


class Rollout:
    """One wish.  `strategy` and `reason` say how it is carried out, `timings` how long each phase took in seconds."""

    def __init__(self, fleet: Fleet, settings: Settings, wish: Wish, swapping: Callable[[], Awaitable[None]]) -> None:
        """`swapping` is awaited just before what is served changes; it may still raise Withdrawn."""
        self.strategy: str | None = None
        self.reason: str | None = None
        self.timings: dict[str, float] = {}
        self._fleet = fleet
        self._settings = settings
        self._wish = wish
        self._new = wish.version
        self._swapping = swapping
        self._is_swapping = False
        self._no_room: str | None = None
        """Why there is no room for a candidate, so that it is measured once it is live."""
        self._parity = ParityCheck(wish.version)

    @property
    def parity(self) -> ParityRecord | None:
        """Whether the version is served as it was trained, as far as that was looked into."""
        return self._parity.record

    async def carry_out(self) -> None:
        """Serve the version under its alias, or make it a guest (`fleet.guest`): a candidate, or one on trial.

        On an error, Withdrawn among them, everything is served as before, or vLLM is down and the reconciler will
        start it on what is live.
        """
        main = self._fleet.main
        with self._timed("total_s"):
            if main is None or main.weights is None or not main.running:
                await self._start()
            elif main.is_asleep:
                await self._wake(main)
            elif main.weights.shares_weights(self._new):
                await self._beside(main)
            else:
                await self._replace(main)

    async def _start(self) -> None:
        self._choose("start", "no vLLM was running")
        await self._begin_swapping()
        backend = self._fleet.main or await self._fleet.vacant()
        await self._launch(backend)
        await self._serve(backend)

    async def _wake(self, main: Backend) -> None:
        """vLLM gave its memory to a training: it takes it again with the new weights, so the old ones are not read."""
        self._choose("wake", "vLLM slept while a job trained")
        await self._begin_swapping()
        try:
            with self._timed("wake_s"):
                await main.wake(self._versions())
            await self._check_parity(main)
        except NeedsRestart as reason:
            await self._fleet.wake()
            await self._elsewhere(main, reason.message)
            return
        except ServiceError:
            with self._timed("rollback_s"):
                await self._start_again(main)
            raise
        await self._serve(main)

    async def _beside(self, main: Backend) -> None:
        """The weights are served already."""
        if main.has(self._new):
            self._choose("alias", f"{self._new.model_id} is loaded already")
        else:
            self._choose("adapter", f"the weights of {self._new.weights_id} are served already")
            try:
                with self._timed("stage_s"):
                    await main.load(self._new)
                with self._timed("check_s"):
                    await main.check(self._new)
                await self._check_parity(main)
            except NeedsRestart as reason:
                await self._elsewhere(main, reason.message)
                return
            except ServiceError:
                await self._fleet.forget_adapters()
                raise
        try:
            await self._begin_swapping()
        except Withdrawn:
            await self._fleet.forget_adapters()
            raise
        await self._take_in(main)

    async def _replace(self, main: Backend) -> None:
        """Other weights: exchange them in place where vLLM can, else start another one."""
        if self._is_candidate and not (room := await self._room()).fits:
            self._give_candidate_up(room)
        if self._new.adapter is not None and not main.takes_adapters:
            await self._elsewhere(main, "the running vLLM serves no adapters")
            return
        self._choose("swap", "same architecture, tokenizer and template as what is served")
        try:
            with self._timed("stage_s"):
                await main.control.stage(self._new.weights)
        except NeedsRestart as reason:
            await self._elsewhere(main, reason.message)
            return
        if self._is_guest:
            await main.control.discard()
            both = "a candidate is measured beside" if self._is_candidate else "a trial serves its weights beside"
            await self._elsewhere(main, f"{both} those of what is live")
            return
        try:
            # While serving goes on: whatever can be exchanged in place has the tokenizer and template that is served.
            await self._render(main, ENGINE_NAME)
            await self._begin_swapping()
        except ServiceError:
            with suppress(ServiceError):  # of a vLLM that has just died there is nothing to discard
                await main.control.discard()
            raise
        await self._swap(main)

    async def _swap(self, main: Backend) -> None:
        main.gate.close("a model is being put in place")
        try:
            with self._timed("gated_s"):
                try:
                    is_drained = await self._drained(main, has_choice=True)
                except UpstreamFailed:
                    await main.control.discard()
                    raise
                if is_drained:
                    await self._exchange(main)
                    return
                await main.control.discard()
        finally:
            # Without a running vLLM the gate stays closed: the reconciler starts it again and opens.
            if main.running:
                main.gate.open()
        await self._elsewhere(main, f"answers still ran after {self._drain_s:g} s", may_restart=False)

    async def _drained(self, main: Backend, *, has_choice: bool) -> bool:
        """Wait for the answers under way; False when the rest of them shall end beside a second vLLM, if it may be so.

        UpstreamFailed when the old model shall stay rather than wait.
        """
        on_timeout = self._wish.drain.on_timeout
        with self._timed("drain_s"):
            if await main.gate.drained(self._drain_s):
                return True
            if on_timeout == "fail":
                raise UpstreamFailed(
                    f"{main.gate.inside} answers were still running after {self._drain_s:g} s: ask for it again when "
                    "there is less traffic, with a longer drain.timeout_s, or drain.on_timeout `wait` or `blue_green`"
                )
            if has_choice and on_timeout == "blue_green" and (await self._room()).fits:
                return False
            return await main.gate.drained(None)

    async def _exchange(self, main: Backend) -> None:
        old = main.weights
        assert old is not None
        try:
            with self._timed("commit_s"):
                await main.control.commit()
            main.weights = self._new
            with self._timed("check_s"):
                await main.load(self._new)
                await main.check(self._new)
                await self._parity.stop(main.control, main.target(self._new).engine_name)
        except Exception as error:
            # Whatever it is: the gate must not open on weights that were not checked.
            with self._timed("rollback_s"):
                await self._put_back(main, old, is_untouched=isinstance(error, ExchangeFailed))
            raise
        await self._serve(main)

    async def _put_back(self, main: Backend, old: Version, *, is_untouched: bool) -> None:
        """Make sure that the old weights answer: exchanged back and checked, or else by a new vLLM."""
        exchanged = main.weights is not old
        main.weights = old
        try:
            if exchanged:
                await main.control.roll_back()
            elif not is_untouched:
                raise UpstreamFailed("nobody knows which weights are in place")
            await self._fleet.forget_adapters()
            for version in self._fleet.live.values():
                await main.check(version)
        except ServiceError as error:
            log.error("rollout.rollback_failed error=%s", error)
            await self._start_again(main)

    async def _elsewhere(self, main: Backend, why: str, *, may_restart: bool = True) -> None:
        """By a second vLLM if there is memory for one, else by a restart."""
        room = await self._room()
        if room.fits:
            self._choose("blue_green", f"{why}; {room.text}")
            await self._pass_over(room)
            return
        if self._is_candidate:
            self._give_candidate_up(room)
        if self._is_tried:
            raise Conflict(
                f"{why}, and {room.text}: free some, deploy it without `split`, or with serve_as `adapter`",
                param="split",
            )
        if not may_restart:
            raise UpstreamFailed(f"{why}, and {room.text}: ask for it again, or with drain.on_timeout `wait`")
        self._choose("restart", f"{why}; {room.text}")
        await self._begin_swapping()
        await self._restart(main)

    async def _pass_over(self, room: Room) -> None:
        second = await self._fleet.vacant()
        await self._launch(second, room.gpu_share)
        try:
            await self._begin_swapping()
            if not second.running:
                raise EngineFailed(f"the second vLLM ended by itself once it had started: see {second.engine.log_path}")
        except BaseException:
            await second.stop()
            raise
        await self._take_in(second)

    async def _restart(self, main: Backend) -> None:
        main.gate.close("a model is being put in place")
        with self._timed("gated_s"):
            try:
                await self._drained(main, has_choice=False)
            except UpstreamFailed:
                main.gate.open()
                raise
            try:
                with self._timed("stop_s"):
                    await main.stop()
                await self._launch(main)
            except ServiceError:
                with self._timed("rollback_s"):
                    await self._start_again(main)
                raise
            await self._serve(main)

    async def _launch(self, backend: Backend, gpu_share: float | None = None) -> None:
        with self._timed("start_s"):
            await backend.start(self._versions(), await self._fleet.roots(), needed=self._new, gpu_share=gpu_share)
        try:
            await self._check_parity(backend)
        except BaseException:
            await backend.stop()
            raise

    async def _check_parity(self, backend: Backend) -> None:
        """ParityMismatch when the vLLM that has loaded the version would serve it otherwise than it was trained."""
        name = backend.target(self._new).engine_name
        await self._render(backend, name)
        await self._parity.stop(backend.control, name)

    async def _render(self, backend: Backend, name: str) -> None:
        if self._parity.is_due:
            with self._timed("parity_s"):
                await self._parity.render(backend.control, name)

    async def _start_again(self, main: Backend) -> None:
        """Start vLLM on what is live; the reconciler goes on trying when that fails."""
        try:
            await main.stop()
            await self._fleet.revive(main)
        except ServiceError as error:
            # The deployment failed for another reason, which is the one to report.
            log.error("rollout.restart_failed error=%s", error)

    def _versions(self) -> list[Version]:
        """What must be served once this version is."""
        return list(self._fleet.with_live(self._wish.alias, self._new).values())

    def _give_candidate_up(self, room: Room) -> None:
        """Put it in place without; NoRoom when it is there to be measured only."""
        if self._wish.candidate == "always":
            raise NoRoom(f"{self._new.model_id} can only be measured beside what is live, and {room.text}")
        self._no_room = room.text

    @property
    def _is_candidate(self) -> bool:
        """Whether it is measured before any user is led to it: where nobody is served, it may as well be live."""
        return self._wish.candidate is not None and self._no_room is None and bool(self._fleet.live)

    @property
    def _is_guest(self) -> bool:
        """Whether what is live stays so beside it."""
        return self._is_candidate or self._is_tried

    @property
    def _is_tried(self) -> bool:
        """Whether a share of the requests comes first: it was asked for, and there is an old model for the rest."""
        return self._wish.split is not None and self._wish.alias in self._fleet.live

    async def _take_in(self, backend: Backend) -> None:
        if not self._is_guest:
            await self._serve(backend)
            return
        self._fleet.welcome(Guest(self._wish.alias, self._new, backend))
        if self._wish.split is not None and not self._is_candidate:
            self._fleet.begin_trial(self._wish.split)

    async def _serve(self, backend: Backend) -> None:
        await self._fleet.serve(self._wish.alias, self._new, backend)

    async def _begin_swapping(self) -> None:
        """From here on it cannot be withdrawn any more; a candidate can, for it changes nothing of what is served."""
        if not self._is_swapping and not self._is_candidate:
            await self._swapping()
            self._is_swapping = True

    async def _room(self) -> Room:
        return await asyncio.to_thread(room_for, self._new.weights, self._settings)

    @property
    def _drain_s(self) -> float:
        return self._wish.drain.timeout_s or self._settings.drain_timeout_s

    def _choose(self, strategy: str, reason: str) -> None:
        if self._no_room is not None:
            reason = f"{reason}; it is measured once it is live, for {self._no_room}"
        log.info("rollout.strategy deployment_id=%s strategy=%s reason=%s", self._wish.deployment_id, strategy, reason)
        self.strategy, self.reason = strategy, reason

    @contextmanager
    def _timed(self, phase: str) -> Iterator[None]:
        log.info("rollout.phase deployment_id=%s phase=%s", self._wish.deployment_id, phase.removesuffix("_s"))
        began = time.monotonic()
        try:
            yield
        finally:
            self.timings[phase] = round(self.timings.get(phase, 0.0) + time.monotonic() - began, 3)
