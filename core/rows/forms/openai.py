"""OpenAI's chat rows, and UltraChat's, which are the same with further keys.

The form before `tools` (`functions`, `function_call`, role `function`) is read too.
"""

from typing import Any

from core.rows.draft import Draft, Turn, call, embedded_list, filled_list, text, weight
from core.rows.problems import RowError
from core.rows.strict_json import kind_of
from core.rows.tools import tools

_ROLES = {
    "system": "system",
    "developer": "system",  # OpenAI's newer name of it, which chat templates do not know
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
_NOT_TEXT = ("audio", "reasoning_content", "reasoning")


def read_openai(row: dict[str, Any]) -> Draft:
    """`{"messages": [{"role", "content", "tool_calls", "weight"}, …], "tools": […]}`."""
    turns = [_turn(message, f"messages[{n}]") for n, message in enumerate(filled_list(row["messages"], "messages"))]
    field = "tools" if row.get("tools") else "functions"
    return Draft(turns, tools(row.get(field), field))


def _turn(message: Any, field: str) -> Turn:
    if not isinstance(message, dict):
        raise RowError(field, f"must be a message, an object with role and content, not {kind_of(message)}")
    role = _ROLES.get(message["role"]) if isinstance(message.get("role"), str) else None
    if role is None:
        raise RowError(f"{field}.role", f"must be one of {', '.join(_ROLES)}, not {message.get('role')!r}")
    for key in _NOT_TEXT:
        if message.get(key):
            raise RowError(f"{field}.{key}", "cannot be trained on: write what the model shall say into `content`")
    content = text(message.get("content"), f"{field}.content") or text(message.get("refusal"), f"{field}.refusal")
    out: dict[str, Any] = {"role": role, "content": content}
    if isinstance(message.get("name"), str):
        out["name"] = message["name"]
    out |= weight(message.get("weight"), role, f"{field}.weight")
    calls, ids = _calls(message, field)
    if calls:
        if role != "assistant":
            raise RowError(f"{field}.tool_calls", f"stand in a {role} message: only the assistant calls tools")
        out["tool_calls"] = calls
    return Turn(field, out, ids, _id(message.get("tool_call_id"), f"{field}.tool_call_id") if role == "tool" else None)


def _calls(message: dict[str, Any], field: str) -> tuple[list[dict[str, Any]], tuple[str | None, ...]]:
    if message.get("function_call"):
        return [call(message["function_call"], f"{field}.function_call")], (None,)
    entries = embedded_list(message.get("tool_calls"), f"{field}.tool_calls")
    calls: list[dict[str, Any]] = []
    ids: list[str | None] = []
    for number, entry in enumerate(entries):
        where = f"{field}.tool_calls[{number}]"
        is_wrapped = isinstance(entry, dict) and "function" in entry
        calls.append(call(entry["function"], f"{where}.function") if is_wrapped else call(entry, where))
        id_ = _id(entry.get("id"), f"{where}.id")
        if id_ is not None and id_ in ids:
            raise RowError(f"{where}.id", f"{id_!r} is the id of another call too")
        ids.append(id_)
    return calls, tuple(ids)


def _id(value: Any, field: str) -> str | None:
    if value is not None and not isinstance(value, str):
        raise RowError(field, f"must be a string, not {kind_of(value)}")
    return value or None
