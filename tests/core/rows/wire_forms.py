"""Internal rows written in the forms that data sets have, as their publishers write them."""

import json
from typing import Any

from core.rows import Row

_PYTHON_TYPES = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "object": "dict",
}


def as_openai(row: Row) -> dict[str, Any]:
    """Arguments as strings of JSON, results tied to calls by ids, no content beside calls."""
    messages, ids = [], []
    for index, message in enumerate(row.messages):
        out = dict(message)
        if "tool_calls" in message:
            ids = [f"call_{index}_{number}" for number in range(len(message["tool_calls"]))]
            out["content"] = message["content"] or None
            out["tool_calls"] = [
                {"id": id_, "type": "function", "function": {**call["function"], "arguments": _text(call)}}
                for id_, call in zip(ids, message["tool_calls"], strict=True)
            ]
        elif message["role"] == "tool":
            out["tool_call_id"] = ids.pop(0)
        messages.append(out)
    return {"messages": messages} if row.tools is None else {"messages": messages, "tools": row.tools}


def as_ultrachat(row: Row) -> dict[str, Any]:
    """OpenAI's messages with the two keys that UltraChat adds."""
    return {"prompt": row.messages[0]["content"], "prompt_id": "0", **as_openai(row)}


def as_sharegpt(row: Row) -> dict[str, Any]:
    """What is said beside calls as a turn before them, and one call as an object instead of a list."""
    turns: list[dict[str, Any]] = []
    speakers = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}
    for message in row.messages:
        weight = {"weight": message["weight"]} if "weight" in message else {}
        if message["content"] or "tool_calls" not in message:
            turns.append({"from": speakers[message["role"]], "value": message["content"], **weight})
        if "tool_calls" in message:
            calls = [call["function"] for call in message["tool_calls"]]
            value = json.dumps(calls if len(calls) > 1 else calls[0])
            turns.append({"from": "function_call", "value": value, **weight})
    return {"conversations": turns, "tools": json.dumps([tool["function"] for tool in row.tools or []])}


def as_alpaca(row: Row) -> dict[str, Any]:
    """The last exchange as instruction and output, those before as history."""
    messages = list(row.messages)
    system = messages.pop(0)["content"] if messages[0]["role"] == "system" else ""
    texts = [message["content"] for message in messages]
    pairs = [list(pair) for pair in zip(texts[::2], texts[1::2], strict=True)]
    instruction, output = pairs.pop()
    return {"instruction": instruction, "input": "", "output": output, "system": system, "history": pairs}


def as_xlam(row: Row) -> dict[str, Any]:
    """A question and its first answer; tools flat, with Python's type names."""
    messages = [message for message in row.messages if message["role"] in ("user", "assistant")]
    calls = [call["function"] for call in messages[1].get("tool_calls", [])]
    tools = [{**tool["function"], "parameters": _flat(tool["function"]["parameters"])} for tool in row.tools or []]
    out = {"id": 0, "query": messages[0]["content"], "answers": json.dumps(calls), "tools": json.dumps(tools)}
    return {**out, "reply": messages[1]["content"]} if messages[1]["content"] else out


def _text(call: dict[str, Any]) -> str:
    return json.dumps(call["function"]["arguments"], ensure_ascii=False)


def _flat(schema: dict[str, Any]) -> dict[str, Any]:
    flat = {}
    for name, parameter in schema["properties"].items():
        optional = "" if name in schema["required"] else ", optional"
        kept = {key: parameter[key] for key in ("description", "default") if key in parameter}
        flat[name] = {"type": _python_type(parameter) + optional, **kept}
    return flat


def _python_type(schema: dict[str, Any]) -> str:
    if schema["type"] == "array":
        if "items" in schema:
            return f"List[{_python_type(schema['items'])}]"
        if "prefixItems" in schema:
            return f"Tuple[{', '.join(_python_type(item) for item in schema['prefixItems'])}]"
        return "set"
    return "Dict[str, Any]" if "additionalProperties" in schema else _PYTHON_TYPES[schema["type"]]
