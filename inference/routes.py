"""Which model answers to which public name, and the way of a request to it.

The table is replaced as a whole, so an alias moves between one request and the next.  A request waits at the gate of
the vLLM that it goes to, and looks again where its name leads once that opens.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from core.errors import ModelNotFound, NotServing
from inference.gate import Gate

NO_MODEL = "no model is live: post a job, or ask for a deployment (GET /deployments shows them)"


class Backend(Protocol):
    """One vLLM, as a request sees it."""

    gate: Gate

    @property
    def base_url(self) -> str: ...

    @property
    def api_key(self) -> str: ...


@dataclass(frozen=True)
class Target:
    """One version of a model on one vLLM, which knows it as `engine_name`."""

    model_id: str
    backend: Backend
    engine_name: str
    since_s: int = 0
    """Unix seconds: since when it is live."""


class Trial(Protocol):
    """A share of an alias's requests goes to a new model, and both are watched (`inference.trial`)."""

    old: Target
    new: Target

    def pick(self) -> Target:
        """The model that the next request goes to."""
        ...

    def wants(self, target: Target, offers_tools: bool) -> bool:
        """Whether this answer is to be kept and given to `check`."""
        ...

    def record(self, target: Target, is_error: bool, first_token_s: float | None) -> None:
        """Count an answer; an error is one that the server is to blame for."""
        ...

    def check(self, target: Target, request: bytes, answer: bytes) -> None:
        """Look into the function calls of an answer: one JSON body, or the events of a stream."""
        ...


@dataclass(frozen=True)
class Table:
    """Where each name leads."""

    aliases: Mapping[str, Target | Trial] = field(default_factory=dict)
    models: Mapping[str, Target] = field(default_factory=dict)
    """Every version that is loaded, by its own name."""

    def holds(self, target: Target) -> bool:
        """Whether the version is still served from there."""
        if self.models.get(target.model_id) == target:
            return True
        return any(target in ((to,) if isinstance(to, Target) else (to.old, to.new)) for to in self.aliases.values())

    def listing(self) -> dict[str, Any]:
        """The body of `GET /v1/models`."""
        since = {name: (to if isinstance(to, Target) else to.old).since_s for name, to in sorted(self.aliases.items())}
        since |= {name: target.since_s for name, target in sorted(self.models.items())}
        models = [{"id": n, "object": "model", "created": at, "owned_by": "tunesmith"} for n, at in since.items()]
        return {"object": "list", "data": models}


@dataclass(frozen=True)
class Passage:
    """A request's way: where it goes, and the trial that watches it."""

    target: Target
    trial: Trial | None


class Routes:
    """The current table.  Until the first one is set, requests wait: the gateway is starting."""

    def __init__(self, gate_timeout_s: float) -> None:
        self._start = Gate(gate_timeout_s, closed_for="the gateway is starting")
        self._table = Table()

    @property
    def table(self) -> Table:
        """Where each name leads now."""
        return self._table

    @property
    def waiting_for(self) -> str | None:
        """Why there is no table yet."""
        return self._start.closed_for

    def hold(self, reason: str) -> None:
        """Say why there is no table yet."""
        if self._start.closed_for is not None:
            self._start.close(reason)

    def set(self, table: Table) -> None:
        """Lead every further request by this table."""
        self._table = table
        self._start.open()

    def shut_down(self) -> None:
        """Turn everybody away, those that wait included, for good."""
        self._start.shut_down()
        for target in self._table.models.values():
            target.backend.gate.shut_down()

    def find(self, name: str) -> Passage:
        """Where the name leads; ModelNotFound, or NotServing when there is no model at all."""
        to = self._table.aliases.get(name) or self._table.models.get(name)
        if to is None:
            names = [repr(known) for known in (*sorted(self._table.aliases), *self._table.models)]
            if not names:
                raise NotServing(NO_MODEL)
            raise ModelNotFound(f"the model {name!r} is not served here: use {', '.join(names)}", param="model")
        return Passage(to, None) if isinstance(to, Target) else Passage(to.pick(), to)

    @asynccontextmanager
    async def passing(self, name: str) -> AsyncIterator[Passage]:
        """Be inside of the gate of the vLLM that the name leads to, for the length of the block."""
        await self._start.wait()
        passage = self.find(name)
        deadline = asyncio.get_running_loop().time() + passage.target.backend.gate.timeout_s
        while True:
            async with passage.target.backend.gate.passing(deadline):
                if self._table.holds(passage.target):
                    yield passage
                    return
            passage = self.find(name)
