"""The public model names and the one that vLLM knows, and the rewriting between them.

vLLM always serves under ENGINE_NAME, whatever model it holds, and always echoes that name.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import InvalidRequest, ModelNotFound

ENGINE_NAME = "engine"
_ECHO = b'"model":' + json.dumps(ENGINE_NAME).encode()


@dataclass(frozen=True)
class Served:
    """The model that answers, and the names it answers to besides its own."""

    model_id: str
    path: Path
    aliases: frozenset[str]
    since_s: int
    """Unix seconds."""

    def check_name(self, name: str) -> None:
        """Raise ModelNotFound unless the model answers to the name."""
        if name != self.model_id and name not in self.aliases:
            names = ", ".join(repr(known) for known in (*sorted(self.aliases), self.model_id))
            raise ModelNotFound(f"the model {name!r} is not served here: use {names}", param="model")

    def listing(self) -> dict[str, Any]:
        """The body of `GET /v1/models`."""
        names = (*sorted(self.aliases), self.model_id)
        models = [{"id": n, "object": "model", "created": self.since_s, "owned_by": "tunesmith"} for n in names]
        return {"object": "list", "data": models}


def take_model(body: bytes) -> tuple[str, bytes]:
    """The model that a request asks for, and the request as vLLM must see it."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"the body is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise InvalidRequest("the body must be a JSON object")
    name = content.get("model")
    if not isinstance(name, str) or not name:
        raise InvalidRequest("model: name the model; GET /v1/models lists them", param="model")
    content["model"] = ENGINE_NAME
    return name, json.dumps(content).encode()


class ModelEcho:
    """Replaces the engine's name by the requested one while an answer streams through.

    Only the member `"model":"engine"` of an object matches, never text that a model wrote: within a JSON string every
    quote is escaped, so the bytes `"model":"` cannot occur there.  What may be the beginning of a match at the end
    of a chunk is held back; an event ends in a newline, so no whole event ever is.
    """

    def __init__(self, name: str) -> None:
        self._replacement = b'"model":' + json.dumps(name).encode()
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        """What can be sent of what has arrived."""
        replaced = (self._held + chunk).replace(_ECHO, self._replacement)
        keep = _beginning_at_end(replaced)
        self._held = replaced[len(replaced) - keep :]
        return replaced[: len(replaced) - keep]

    def finish(self) -> bytes:
        """What was held back."""
        held, self._held = self._held, b""
        return held


def _beginning_at_end(content: bytes) -> int:
    """The length of the longest proper beginning of the echo that `content` ends with."""
    for length in range(min(len(_ECHO) - 1, len(content)), 0, -1):
        if content.endswith(_ECHO[:length]):
            return length
    return 0
