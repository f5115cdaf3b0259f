"""One vLLM of the gateway: its process, the gate in front of it, and what it holds."""

import itertools
import logging
from collections.abc import Callable, Iterable, Set
from pathlib import Path

from core.errors import CheckpointRefused
from core.settings import Settings
from inference.canary import Canary
from inference.command import Launch
from inference.control import EngineControl
from inference.engine import Engine
from inference.gate import Gate
from inference.names import ENGINE_NAME
from inference.routes import Target
from inference.version import Version

FREED_SHARE = 0.5
"""Of the weights' size: with less given back, a sleep was none."""
log = logging.getLogger(__name__)
_loads = itertools.count(1)


class Backend:
    """A vLLM with the weights of one model, and adapters beside them; `on_death` tells that it ended by itself."""

    def __init__(self, settings: Settings, slot: int, on_death: Callable[["Backend"], None]) -> None:
        self.slot = slot
        self.gate = Gate(settings.gate_timeout_s, closed_for="vLLM is being started")
        self.engine = Engine(settings, lambda: on_death(self), slot)
        self.control = EngineControl(self.engine)
        self.weights: Version | None = None
        self.is_asleep = False
        self.takes_adapters = False
        self._adapters: list[tuple[Version, str]] = []

    @property
    def base_url(self) -> str:
        """Where vLLM listens."""
        return self.engine.base_url

    @property
    def api_key(self) -> str:
        """The key that vLLM wants."""
        return self.engine.api_key

    @property
    def running(self) -> bool:
        """Whether vLLM lives."""
        return self.engine.running

    def has(self, version: Version) -> bool:
        """Whether it can answer as this version."""
        if self.weights is None or not self.weights.shares_weights(version):
            return False
        return version.adapter is None or self._name_of(version) is not None

    def target(self, version: Version) -> Target:
        """Where requests for the version go; it must be loaded."""
        name = ENGINE_NAME if version.adapter is None else self._name_of(version)
        assert name is not None, version
        return Target(version.model_id, self, name, version.since_s)

    def weights_target(self, version: Version) -> Target:
        """Where requests for the model go whose weights the version is made of."""
        return Target(version.weights_id, self, ENGINE_NAME, version.since_s)

    async def start(
        self,
        versions: Iterable[Version],
        roots: Set[Path],
        *,
        needed: Version | None = None,
        gpu_share: float | None = None,
    ) -> None:
        """Start vLLM on the weights that all these versions share, load their adapters, and check each.

        vLLM is stopped again when the weights or the `needed` version fail; another adapter that is broken is left out.
        The gate stays as it is.
        """
        wanted = list(versions)
        ranks = [version.adapter_rank or 1 for version in wanted if version.adapter is not None]
        self._adapters.clear()
        self.is_asleep = False
        try:
            launch = Launch(wanted[0].weights, frozenset(roots), max(ranks, default=None), gpu_share)
            await self.engine.start(launch)
            self.takes_adapters = launch.adapter_rank is not None
            self.weights = wanted[0]
            await self._load_all(wanted, needed)
        except BaseException:
            await self.stop()
            raise

    async def _load_all(self, versions: Iterable[Version], needed: Version | None) -> None:
        for version in versions:
            try:
                await self.load(version)
                await self.check(version)
            except CheckpointRefused as error:
                if version.adapter is None or version is needed:
                    raise
                # The files of an adapter may have suffered since it went live; what else is live must not.
                log.error("backend.adapter_left_out model=%s error=%s", version.model_id, error)
                self._adapters = [loaded for loaded in self._adapters if not loaded[0].is_same(version)]

    async def sleep(self) -> bool:
        """Give the memory back; False when vLLM said so and did not, as it does on a CPU."""
        assert self.weights is not None
        await self.keep_only(())
        freed = await self.control.sleep()
        self.is_asleep = True
        return freed >= FREED_SHARE * sum(file.stat().st_size for file in self.weights.weights.glob("*.safetensors"))

    async def wake(self, versions: Iterable[Version]) -> None:
        """Serve again: the weights that all these versions share, and their adapters."""
        wanted = list(versions)
        await self.control.wake(wanted[0].weights)
        self.is_asleep, self.weights = False, wanted[0]
        await self._load_all(wanted, None)

    async def load(self, version: Version) -> None:
        """Load the version's adapter, if it has one that is not loaded.

        Every load has a name of its own: vLLM's prefix cache goes by it, and a retried job makes a model anew.
        """
        if version.adapter is None or self._name_of(version) is not None:
            return
        name = f"{version.model_id}@{next(_loads)}"
        await self.control.load_adapter(name, version.adapter)
        self._adapters.append((version, name))

    async def check(self, version: Version) -> None:
        """Ask the version what it must be able to answer; CheckpointRefused when it is not."""
        await Canary(self.control).check(self.target(version).engine_name, version.canary)

    async def keep_only(self, versions: Iterable[Version]) -> None:
        """Forget every adapter but those of these versions; what runs with one of them ends as it would have."""
        kept = list(versions)
        for loaded in list(self._adapters):
            if not any(loaded[0].is_same(version) for version in kept):
                self._adapters.remove(loaded)
                await self.control.unload_adapter(loaded[1])

    async def stop(self) -> None:
        """End vLLM."""
        self._adapters.clear()
        self.is_asleep = False
        await self.engine.stop()

    def _name_of(self, version: Version) -> str | None:
        return next((name for loaded, name in self._adapters if loaded.is_same(version)), None)
