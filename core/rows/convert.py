"""Every known row form -> one internal row: OpenAI messages with structured tool calls, and tools as JSON Schema.

In the internal form `content` is always a string and a call's `arguments` an object (OpenAI's wire form has it as
a JSON string), because that is what chat templates render.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from core.errors import BadData
from core.rows.python_types import to_json_schema

ROLES = ("system", "developer", "user", "assistant", "tool")


class RowError(ValueError):
    """What is wrong with a row: `field` and a message with the fix; the reader adds file and row number."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")


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


def detect_format(row: dict[str, Any]) -> str:
    """The form a row is in, by its keys."""
    for name, keys in (
        ("ultrachat", {"messages", "prompt_id"}),
        ("openai", {"messages"}),
        ("xlam", {"query", "answers"}),
        ("sharegpt", {"conversations"}),
        ("alpaca", {"instruction", "output"}),
    ):
        if keys <= row.keys():
            return name
    known = "messages (openai, ultrachat), query + answers (xlam), conversations (sharegpt), instruction + output"
    raise RowError("row", f"has the keys {sorted(row)}, which fit no known form; known are {known} (alpaca)")


def convert_all(
    rows: Iterable[tuple[int, dict[str, Any]]], source: str, form: str = "auto", limit: int | None = None
) -> Iterator[Row]:
    """The first `limit` numbered rows of a source, converted; BadData when it is empty, and at the first bad row."""
    is_empty = True
    for number, raw in islice(rows, limit):
        is_empty, origin = False, f"{source}, row {number}"
        try:
            if form == "auto":
                form = detect_format(raw)
            row = replace(convert(raw, form), origin=origin)
        except RowError as error:
            raise BadData(f"{origin}: {error}", param="data.source") from None
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            problem = f"is not in {form} form: {type(error).__name__} {error}"
            raise BadData(f"{origin}: {problem}", param="data.source") from None
        yield row
    if is_empty:
        raise BadData(f"{source} holds no rows; give it at least one", param="data.source")


def convert(row: dict[str, Any], form: str) -> Row:
    """Convert one row of the given form; RowError names the field that is wrong."""
    if not isinstance(row, dict):
        raise RowError("row", f"is a JSON {type(row).__name__}, not an object")
    messages, tools = _CONVERTERS[form](row)
    kind = row.get("kind")
    return Row(messages=_checked(messages), tools=tools or None, kind=kind if isinstance(kind, str) else None)


def _openai(row: dict[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    messages = []
    for number, message in enumerate(_list(row, "messages")):
        where = f"messages[{number}]"
        if not isinstance(message, dict) or message.get("role") not in ROLES:
            raise RowError(f"{where}.role", f"must be one of {', '.join(ROLES)}")
        out: dict[str, Any] = {"role": message["role"], "content": _text(message.get("content"), f"{where}.content")}
        for key in ("tool_call_id", "name", "weight"):
            if message.get(key) is not None:
                out[key] = message[key]
        if message.get("tool_calls"):
            out["tool_calls"] = [_call(c.get("function", c), f"{where}.tool_calls") for c in message["tool_calls"]]
        messages.append(out)
    return messages, [_tool(tool) for tool in _json(row.get("tools") or [], "tools")]


def _xlam(row: dict[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    calls = [_call(answer, "answers") for answer in _json(row["answers"], "answers")]
    reply = row.get("reply", "")
    if not calls and not reply:
        raise RowError("answers", "is empty and there is no `reply` to train on instead; give one of them")
    answer: dict[str, Any] = {"role": "assistant", "content": _text(reply, "reply")}
    if calls:
        answer["tool_calls"] = calls
    tools = []
    for tool in _json(row.get("tools") or [], "tools"):
        if not isinstance(tool, dict) or "name" not in tool:
            raise RowError("tools", f"holds {json.dumps(tool)[:80]}, which has no name")
        flat = tool.get("parameters") or {}
        schema = flat if flat.get("type") == "object" and "properties" in flat else to_json_schema(flat)
        tools.append(_function(tool["name"], tool.get("description", ""), schema))
    return [{"role": "user", "content": _text(row["query"], "query")}, answer], tools


def _sharegpt(row: dict[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    roles = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "system": "system"}
    messages: list[dict[str, Any]] = []
    if row.get("system"):
        messages.append({"role": "system", "content": _text(row["system"], "system")})
    for number, turn in enumerate(_list(row, "conversations")):
        where, speaker = f"conversations[{number}]", turn.get("from")
        value = _text(turn.get("value"), f"{where}.value")
        if speaker == "function_call":
            calls = _json(value, f"{where}.value")
            calls = calls if isinstance(calls, list) else [calls]
            messages.append(
                {"role": "assistant", "content": "", "tool_calls": [_call(c, f"{where}.value") for c in calls]}
            )
        elif speaker in ("observation", "tool"):
            messages.append({"role": "tool", "content": value})
        elif speaker in roles:
            messages.append({"role": roles[speaker], "content": value})
        else:
            raise RowError(f"{where}.from", f"is {speaker!r}; known are {', '.join([*roles, 'function_call'])}")
    return messages, [_tool(tool) for tool in _json(row.get("tools") or [], "tools")]


def _alpaca(row: dict[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    question = _text(row["instruction"], "instruction")
    if row.get("input"):
        question += "\n\n" + _text(row["input"], "input")
    messages = [{"role": "system", "content": row["system"]}] if row.get("system") else []
    for turn in row.get("history") or []:
        messages += [{"role": "user", "content": turn[0]}, {"role": "assistant", "content": turn[1]}]
    answer = {"role": "assistant", "content": _text(row["output"], "output")}
    return [*messages, {"role": "user", "content": question}, answer], []


_CONVERTERS: dict[str, Callable[[dict[str, Any]], tuple[list[dict[str, Any]], list[dict[str, Any]]]]] = {
    "openai": _openai,
    "ultrachat": _openai,
    "xlam": _xlam,
    "sharegpt": _sharegpt,
    "alpaca": _alpaca,
}


# ------------------------------------------------------------------ pieces


def _checked(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for number, message in enumerate(messages):
        if message["role"] == "assistant":
            # White space before an answer would melt into one token with the newline that ends its prompt.
            message["content"] = message["content"].lstrip()
        empty = not message["content"].strip() and not message.get("tool_calls")
        if message["role"] == "assistant" and empty:
            raise RowError(f"messages[{number}]", "the assistant says nothing: no content and no tool_calls")
    if not any(message["role"] == "user" for message in messages):
        raise RowError("messages", "hold no user message")
    return messages


def _list(row: dict[str, Any], field: str) -> list[Any]:
    value = row[field]
    if not isinstance(value, list) or not value:
        raise RowError(field, "must be a list with at least one entry")
    return value


def _text(value: Any, field: str) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(part, dict) and part.get("type") == "text" for part in value):
        return "".join(part["text"] for part in value)
    raise RowError(field, f"must be text, not a JSON {type(value).__name__}")


def _json(value: Any, field: str) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value) if value.strip() else []
    except json.JSONDecodeError as error:
        raise RowError(field, f"is a string that holds no valid JSON: {error}") from None


def _call(call: Any, field: str) -> dict[str, Any]:
    if not isinstance(call, dict) or not isinstance(call.get("name"), str):
        raise RowError(field, "every call needs a name")
    arguments = _json(call.get("arguments") or {}, f"{field}.arguments") or {}
    if not isinstance(arguments, dict):
        raise RowError(f"{field}.arguments", "must be an object")
    return {"type": "function", "function": {"name": call["name"], "arguments": arguments}}


def _tool(tool: Any) -> dict[str, Any]:
    function = tool.get("function", tool) if isinstance(tool, dict) else {}
    if "name" not in function:
        raise RowError("tools", f"holds {json.dumps(tool)[:80]}, which has no name")
    return _function(function["name"], function.get("description", ""), function.get("parameters"))


def _function(name: str, description: str, parameters: dict[str, Any] | None) -> dict[str, Any]:
    empty: dict[str, Any] = {"type": "object", "properties": {}}
    function = {"name": name, "description": description, "parameters": parameters or empty}
    return {"type": "function", "function": function}
