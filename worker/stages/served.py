"""A request as vLLM hands it to the chat template, so that a row is trained as it will be served.

vLLM reads tools into types of its own, which have three fields in a fixed order and know no others, and turns the role
`developer` into `system` for a template that does not speak of it.  Found, and kept true, by the check of parity
(`inference.parity`, vLLM 0.32).
"""

from typing import Any

Json = dict[str, Any]


def served_tools(tools: list[Json] | None) -> list[Json] | None:
    """`name`, `description` and `parameters` in this order, null where they are missing, and `strict` if it is set."""
    return [{"type": "function", "function": _function(tool["function"])} for tool in tools] if tools else None


def served_messages(messages: list[Json], template: str) -> list[Json]:
    """The messages; with a developer's among them, all system messages are one, the first."""
    if '"developer"' in template or "'developer'" in template:
        return messages
    if not any(message["role"] == "developer" for message in messages):
        return messages
    system = [message for message in messages if message["role"] in ("system", "developer")]
    others = [message for message in messages if message["role"] not in ("system", "developer")]
    first = {"role": "system", "content": "\n\n".join(m["content"] for m in system if m["content"])}
    return [first, *others]


def _function(function: Json) -> Json:
    kept = {key: function.get(key) for key in ("name", "description", "parameters")}
    return kept if function.get("strict") is None else {**kept, "strict": function["strict"]}
