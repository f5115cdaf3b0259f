"""One question of a suite: what a model is asked, and which calls are right.

No accepted call means that no call is right: the model should answer in words.
"""

import json
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import Any

Json = dict[str, Any]
_KEY_BYTES = 16


@dataclass(frozen=True)
class AcceptedCall:
    """A right call: the accepted values of each argument, and the arguments that may be left out."""

    name: str
    arguments: dict[str, list[Any]]
    optional: tuple[str, ...] = ()

    def shown(self) -> Json:
        """As it is kept with the answers."""
        return {"name": self.name, "arguments": self.arguments, "optional": list(self.optional)}


@dataclass(frozen=True)
class Leaderboard:
    """What the leaderboard's own rules judge by: its descriptions of the functions, and its accepted answers."""

    functions: list[Json]
    accepted: list[dict[str, dict[str, list[Any]]]]


@dataclass(frozen=True)
class Question:
    """`messages` and `tools` are in the internal form; `origin` names the row in messages to its owner."""

    kind: str
    messages: list[Json]
    tools: list[Json] | None
    expected: tuple[AcceptedCall, ...]
    leaderboard: Leaderboard | None = None
    origin: str = field(default="a row", compare=False)

    @cached_property
    def key(self) -> str:
        """The same for the same messages with the same tools, in any suite and job."""
        asked = json.dumps([self.messages, self.tools], sort_keys=True).encode()
        return blake2b(asked, digest_size=_KEY_BYTES).hexdigest()

    @property
    def text(self) -> str:
        """What the user said last."""
        said = [message["content"] for message in self.messages if message["role"] == "user"]
        return str(said[-1]) if said else ""

    @property
    def tool_names(self) -> list[str]:
        """The functions that are offered."""
        return [tool["function"]["name"] for tool in self.tools or ()]
