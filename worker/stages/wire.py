"""Internal messages in the form that clients send, and the calls in what a model writes."""

import json
import re
from typing import Any

_CALL = re.compile(r"<tool_call>\s*(.*?)\s*</tool_call>", re.DOTALL)


def wire(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Internal messages in OpenAI's wire form: call arguments as JSON strings, and ids that tie results to calls."""
    out: list[dict[str, Any]] = []
    ids: list[str] = []
    for index, message in enumerate(messages):
        sent = {key: value for key, value in message.items() if key in ("role", "content", "name", "tool_call_id")}
        if message.get("tool_calls"):
            ids = [f"call_{index}_{number}" for number in range(len(message["tool_calls"]))]
            sent["tool_calls"] = [
                {"id": id_, "type": "function", "function": _wire_function(call["function"])}
                for id_, call in zip(ids, message["tool_calls"], strict=True)
            ]
        elif message["role"] == "tool" and "tool_call_id" not in sent:
            sent["tool_call_id"] = ids.pop(0) if ids else f"call_{index}"
        out.append(sent)
    return out


def _wire_function(function: dict[str, Any]) -> dict[str, str]:
    return {"name": function["name"], "arguments": json.dumps(function["arguments"], ensure_ascii=False)}


def written_calls(text: str) -> list[dict[str, Any]] | None:
    """The calls in an answer, each an object with `name` and `arguments`; None when one of them is not well-formed.

    As the hermes parser reads them, which is the one that models are served with.
    """
    calls = []
    for written in _CALL.findall(text):
        try:
            call = json.loads(written)
        except ValueError:
            return None
        if not (isinstance(call, dict) and isinstance(call.get("name"), str)):
            return None
        if not isinstance(call.get("arguments"), dict):
            return None
        calls.append(call)
    return calls if text.count("<tool_call>") == len(calls) else None
