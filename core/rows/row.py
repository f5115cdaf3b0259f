"""The one internal form of a row.

`content` is always a string and a call's `arguments` an object (OpenAI's wire form has it as a JSON string), because
that is what chat templates render.  Tool results follow their calls in the order of the calls, and so need no ids.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Row:
    """One conversation.  `kind` is the row's own tag, by which scores can be grouped; `origin` names it in messages."""

    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]] | None
    kind: str | None = None
    origin: str = field(default="a row", compare=False)

    @property
    def trainable(self) -> bool:
        """Whether any assistant message is to be learned."""
        return any(m["role"] == "assistant" and m.get("weight", 1) for m in self.messages)
