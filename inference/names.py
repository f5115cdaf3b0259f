"""The public model names and the one that vLLM knows, and the rewriting between them.

vLLM always serves its weights under ENGINE_NAME, whatever model they are, and adapters under names of their own; it
echoes the name that it knows.
"""

import json
from functools import lru_cache

ENGINE_NAME = "engine"


@lru_cache(maxsize=256)
def _member(name: str) -> bytes:
    """As vLLM writes it: compact, and in UTF-8."""
    return b'"model":' + json.dumps(name, ensure_ascii=False).encode("utf-8", "surrogatepass")


class ModelEcho:
    """Replaces the engine's name by the requested one while an answer streams through.

    Only the member `"model":"engine"` of an object matches, never text that a model wrote: within a JSON string every
    quote is escaped, so the bytes `"model":"` cannot occur there.  What may be the beginning of a match at the end
    of a chunk is held back; an event ends in a newline, so no whole event ever is.
    """

    def __init__(self, engine_name: str, name: str) -> None:
        self._echo = _member(engine_name)
        self._replacement = _member(name)
        self._held = b""

    def in_whole(self, body: bytes) -> bytes:
        """An answer that is all there."""
        return body.replace(self._echo, self._replacement)

    def feed(self, chunk: bytes) -> bytes:
        """What can be sent of what has arrived."""
        if self._held:
            chunk, self._held = self._held + chunk, b""
        replaced = self.in_whole(chunk)
        if replaced.endswith(b"\n"):
            return replaced
        keep = self._beginning_at_end(replaced)
        self._held = replaced[len(replaced) - keep :]
        return replaced[: len(replaced) - keep]

    def finish(self) -> bytes:
        """What was held back."""
        held, self._held = self._held, b""
        return held

    def _beginning_at_end(self, content: bytes) -> int:
        """The length of the longest proper beginning of the echo that `content` ends with."""
        for length in range(min(len(self._echo) - 1, len(content)), 0, -1):
            if content.endswith(self._echo[:length]):
                return length
        return 0
