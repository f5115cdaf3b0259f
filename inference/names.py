"""The public model names and the one that vLLM knows, and the rewriting between them.

vLLM always serves under ENGINE_NAME, whatever model it holds, and always echoes that name.
"""

import json

from core.errors import InvalidRequest

ENGINE_NAME = "engine"


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

    def __init__(self, name: str, engine_name: str = ENGINE_NAME) -> None:
        self._echo = b'"model":' + json.dumps(engine_name).encode()
        self._replacement = b'"model":' + json.dumps(name).encode()
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        """What can be sent of what has arrived."""
        replaced = (self._held + chunk).replace(self._echo, self._replacement)
        keep = _beginning_at_end(replaced, self._echo)
        self._held = replaced[len(replaced) - keep :]
        return replaced[: len(replaced) - keep]

    def finish(self) -> bytes:
        """What was held back."""
        held, self._held = self._held, b""
        return held


def _beginning_at_end(content: bytes, echo: bytes) -> int:
    """The length of the longest proper beginning of the echo that `content` ends with."""
    for length in range(min(len(echo) - 1, len(content)), 0, -1):
        if content.endswith(echo[:length]):
            return length
    return 0
