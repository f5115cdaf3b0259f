"""Which model answers to which public name, and the way of a request to it.

The table is replaced as a whole, so an alias moves between one request and the next.  A request waits at the gate of
the vLLM that it goes to, and looks again where its name leads once that opens.
"""

import asyncio
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from core.errors import ModelNotFound, NotServing, ServiceError
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
    projects: Mapping[str, Set[str]] = field(default_factory=dict)
    """Whose keys each of these names is known to, besides keys of all projects."""

    def knows(self, name: str, project: str | None) -> bool:
        """Whether a key of the project, or with None of all, may know the name."""
        return project is None or project in self.projects.get(name, ())

    def holds(self, target: Target) -> bool:
        """Whether the version is still served from there."""
        if self.models.get(target.model_id) == target:
            return True
        return any(target in ((to,) if isinstance(to, Target) else (to.old, to.new)) for to in self.aliases.values())

    def listing(self, project: str | None) -> dict[str, Any]:
        """The body of `GET /v1/models`, for a key of the project, or with None of all."""
        since = {name: (to if isinstance(to, Target) else to.old).since_s for name, to in sorted(self.aliases.items())}
        since |= {name: target.since_s for name, target in sorted(self.models.items())}
        known = {name: at for name, at in since.items() if self.knows(name, project)}
        models = [{"id": n, "object": "model", "created": at, "owned_by": "tunesmith"} for n, at in known.items()]
        return {"object": "list", "data": models}


class Passage(NamedTuple):
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

    def hold(self, reason: str, *, turn_away: bool = False, retry_after_s: int | None = None) -> None:
        """Say why there is no table yet."""
        if self._start.closed_for is not None:
            self._start.close(reason, turn_away=turn_away, retry_after_s=retry_after_s)

    def set(self, table: Table) -> None:
        """Lead every further request by this table."""
        self._table = table
        self._start.open()

    @property
    def started(self) -> bool:
        """Whether a table was set."""
        return self._start.closed_for is None

    def gates(self) -> list[Gate]:
        """That of every vLLM in the table."""
        by_id = {id(target.backend): target.backend.gate for target in self._table.models.values()}
        return list(by_id.values())

    def inside(self) -> int:
        """How many requests the vLLMs in the table are at work on."""
        return sum(gate.inside for gate in self.gates())

    def shut_down(self) -> None:
        """Turn everybody away, those that wait included, for good."""
        self._start.shut_down()
        for gate in self.gates():
            gate.shut_down()

    def find(self, name: str, project: str | None) -> Passage:
        """Where the name leads those of the project, or with None of all projects.

        ModelNotFound, for a name of others just as for one that nobody has; NotServing when there is no model at all.
        """
        table = self._table
        to = table.aliases.get(name) or table.models.get(name)
        if to is None or not table.knows(name, project):
            raise self._not_found(name, project)
        return Passage(to, None) if isinstance(to, Target) else Passage(to.pick(), to)

    def _not_found(self, name: str, project: str | None) -> ServiceError:
        if not self._table.models:
            return NotServing(NO_MODEL)
        names = [*sorted(self._table.aliases), *self._table.models]
        known = [repr(one) for one in names if self._table.knows(one, project)]
        use = f"use {', '.join(known)}" if known else "no model of your project is live"
        return ModelNotFound(f"the model {name!r} is not served here: {use}", param="model")

    def passing(self, name: str, project: str | None = None) -> "Passing":
        """Be inside of the gate of the vLLM that the name leads to, for the length of an `async with` block."""
        return Passing(self, name, project)

    async def enter(self, name: str, project: str | None) -> Passage:
        """Wait for the gate, and be inside of it."""
        if not self.started:
            await self._start.wait()
        passage = self.find(name, project)
        gate = passage.target.backend.gate
        deadline = None
        while not gate.enter_now():
            deadline = deadline or asyncio.get_running_loop().time() + gate.timeout_s
            await gate.wait(deadline)
            # It may have been for another model that the gate was closed.
            passage = self.find(name, project)
            gate = passage.target.backend.gate
        return passage


class Passing:
    """The block; a class and no generator, which would cost every request twice as much."""

    def __init__(self, routes: Routes, name: str, project: str | None) -> None:
        self._routes, self._name, self._project = routes, name, project

    async def __aenter__(self) -> Passage:
        passage = await self._routes.enter(self._name, self._project)
        self._gate = passage.target.backend.gate
        return passage

    async def __aexit__(self, *error: object) -> None:
        self._gate.leave()
