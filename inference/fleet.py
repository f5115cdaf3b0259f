"""The vLLMs of this gateway and what is live on them.

One serves; a second one is there while it takes the first one's place, or while a new model is measured or tried
beside the old.
`publish` turns all of that into the table that requests follow.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import ServiceError
from core.settings import Settings
from core.spec import SplitSpec
from inference.backend import Backend
from inference.routes import Routes, Table, Target
from inference.trial import Trial
from inference.version import Version

log = logging.getLogger(__name__)
SLOTS = 2


@dataclass(frozen=True)
class Guest:
    """A version that is loaded beside what is live: it takes the alias over, or goes."""

    alias: str
    version: Version
    backend: Backend


class Fleet:
    """At most two vLLMs; `live` says by alias what the first one serves."""

    def __init__(
        self,
        settings: Settings,
        routes: Routes,
        roots: Callable[[], Awaitable[set[Path]]],
        on_death: Callable[[Backend], None],
    ) -> None:
        self.routes = routes
        self.main: Backend | None = None
        self.live: Mapping[str, Version] = {}
        self.guest: Guest | None = None
        self.trial: Trial | None = None
        """The guest's, if it gets a share of its alias's requests; else it answers under its own name only."""
        self.roots = roots
        self._settings = settings
        self._on_death = on_death
        self._leaving: dict[int, asyncio.Task[None]] = {}

    @property
    def guest_backend(self) -> Backend | None:
        """The second vLLM, if the guest has one of its own."""
        return None if self.guest is None or self.guest.backend is self.main else self.guest.backend

    async def vacant(self) -> Backend:
        """A vLLM yet to be started, in a slot that nothing uses any more."""
        used = {backend.slot for backend in (self.main, self.guest_backend) if backend is not None}
        slot = min(set(range(SLOTS)) - used)
        if (leaving := self._leaving.get(slot)) is not None:
            await leaving
        return Backend(self._settings, slot, self._on_death)

    async def revive(self, backend: Backend) -> None:
        """Start the vLLM on what is live, as the one that serves; requests wait meanwhile."""
        backend.gate.close(backend.gate.closed_for or "vLLM is being started again")
        await backend.start(self.live.values(), await self.roots())
        self.main = backend
        self.publish()
        backend.gate.open()

    async def wake(self) -> None:
        """Serve what is live again, after a sleep; by a new vLLM if that one cannot."""
        main = self.main
        assert main is not None
        try:
            await main.wake(self.live.values())
        except ServiceError as error:
            log.error("fleet.wake_failed error=%s", error)
            await main.stop()
            return
        self.publish()
        main.gate.open()

    def hold(self, reason: str, *, turn_away: bool, retry_after_s: int | None) -> None:
        """Let no request through to what is live; without a vLLM yet, none gets so far."""
        if self.main is not None:
            self.main.gate.close(reason, turn_away=turn_away, retry_after_s=retry_after_s)
        else:
            self.routes.hold(reason, turn_away=turn_away, retry_after_s=retry_after_s)

    def publish(self) -> None:
        """Lead every further request to what is live now, and to the guest."""
        models: dict[str, Target] = {}
        aliases: dict[str, Target | Trial] = {}
        if self.main is not None:
            for alias, version in self.live.items():
                if not self.main.has(version):
                    continue
                aliases[alias] = models[version.model_id] = self.main.target(version)
            for version in self.live.values():
                models.setdefault(version.weights_id, self.main.weights_target(version))
        if self.guest is not None:
            models[self.guest.version.model_id] = self.guest.backend.target(self.guest.version)
        if self.trial is not None:
            aliases[self.trial.alias] = self.trial
        self.routes.set(Table(aliases, models, self._projects()))

    def _projects(self) -> dict[str, frozenset[str]]:
        """Whose each name is.  The weights of several adapters are of all whose adapters they are."""
        found: dict[str, set[str]] = {}
        guests = () if self.guest is None else (self.guest.version,)
        for version in (*self.live.values(), *guests):
            for name in (version.model_id, version.weights_id):
                found.setdefault(name, set()).add(version.project)
        for alias, version in self.live.items():
            found[alias] = {version.project}
        return {name: frozenset(projects) for name, projects in found.items()}

    def with_live(self, alias: str, version: Version) -> dict[str, Version]:
        """What is live once the alias serves the version: all that needs other weights is not any more."""
        kept = {name: other for name, other in self.live.items() if other.shares_weights(version)}
        return {**kept, alias: version}

    async def serve(self, alias: str, version: Version, backend: Backend) -> None:
        """Lead the alias to the version, which this vLLM has loaded; another one ends once its answers have."""
        first, self.main = self.main, backend
        self.live = self.with_live(alias, version)
        self.publish()
        # One that has just died is started again by the reconciler, and requests wait for that.
        if backend.running:
            backend.gate.open()
        if first is None or first is backend:
            await self.forget_adapters()
        else:
            self._retire(first)

    def welcome(self, guest: Guest) -> None:
        """Let the version answer under its own name, and under no other."""
        self.guest = guest
        self.publish()
        if guest.backend is not self.main:
            guest.backend.gate.open()

    def begin_trial(self, rules: SplitSpec) -> None:
        """Send a share of its alias's requests to the guest; something must be live on the alias."""
        assert self.main is not None
        assert self.guest is not None
        old, new = self.main.target(self.live[self.guest.alias]), self.guest.backend.target(self.guest.version)
        self.trial = Trial(self.guest.alias, old, new, rules)
        self.publish()

    async def accept(self) -> None:
        """The alias's requests all go to the guest."""
        guest = self.guest
        assert guest is not None
        self.guest = self.trial = None
        await self.serve(guest.alias, guest.version, guest.backend)

    async def dismiss(self) -> None:
        """What is live is all that there is again."""
        second = self.guest_backend
        self.guest = self.trial = None
        self.publish()
        if second is not None:
            self._retire(second)
        await self.forget_adapters()

    async def drop(self, aliases: set[str]) -> None:
        """Serve these no more; with nothing left to serve, vLLM ends once its answers have."""
        self.live = {alias: version for alias, version in self.live.items() if alias not in aliases}
        main = self.main
        if self.live or main is None:
            self.publish()
            await self.forget_adapters()
            return
        self.main = None
        self.publish()
        self._retire(main)

    async def forget_adapters(self) -> None:
        """Unload what is live no more; a failure costs memory only, until the next start."""
        if self.main is None:
            return
        try:
            await self.main.keep_only(self.live.values())
        except ServiceError as error:
            log.warning("fleet.unload_failed error=%s", error)

    def shown(self) -> dict[str, Any]:
        """For `/health`."""
        main, reason = self.main, self.routes.waiting_for
        engine, newest = "idle", None
        if main is not None and main.weights is not None:
            reason = main.gate.closed_for
            running = "serving" if reason is None else "changing"
            engine = "asleep" if main.is_asleep else running if main.running else "down"
            newest = main.weights.weights_id
        elif self.live or reason is not None:
            engine = "starting"
        return {
            "engine": engine,
            "waiting_because": reason,
            "requests_inside": main.gate.inside if main else 0,
            "model": newest,
            "aliases": sorted(self.live),
        }

    async def stop(self) -> None:
        """End every vLLM."""
        for task in list(self._leaving.values()):
            task.cancel()
        await asyncio.gather(*self._leaving.values(), return_exceptions=True)
        for backend in (self.main, self.guest_backend):
            if backend is not None:
                await backend.stop()

    def _retire(self, backend: Backend) -> None:
        """Stop a vLLM that no request is led to any more, once its answers have ended."""
        task = asyncio.create_task(_stop_when_drained(backend), name=f"retire-{backend.slot}")
        self._leaving[backend.slot] = task
        task.add_done_callback(lambda _: self._leaving.pop(backend.slot, None))


async def _stop_when_drained(backend: Backend) -> None:
    try:
        await backend.gate.drained(None)
    finally:
        await backend.stop()
