"""Reads the function calls of an answer that passed through, and finds what is wrong with them."""

import json
from typing import Any

MARKUP = "<tool_call>"
"""In the text of an answer: a call that vLLM's parser could not read."""


def faults(request: bytes, answer: bytes) -> list[str]:
    """What is wrong with the calls in `answer`, one JSON body or the events of a stream; nothing is an answer too.

    A call must name an offered function and give a JSON object with every required parameter and no unknown one.
    """
    offered = {
        tool["function"]["name"]: tool["function"].get("parameters") or {} for tool in json.loads(request)["tools"]
    }
    found = []
    for message in _messages(answer):
        if MARKUP in (message.get("content") or ""):
            found.append("a call that cannot be read")
        for call in message.get("tool_calls") or []:
            if (fault := _fault(call["function"], offered)) is not None:
                found.append(fault)
    return found


def _fault(function: dict[str, Any], offered: dict[str, Any]) -> str | None:
    name = function.get("name")
    if name not in offered:
        return f"{name!r} was not offered"
    try:
        arguments = json.loads(function.get("arguments") or "{}")
    except ValueError:
        return f"{name}: the arguments are no JSON"
    if not isinstance(arguments, dict):
        return f"{name}: the arguments are no JSON object"
    schema = offered[name]
    missing = set(schema.get("required", ())) - arguments.keys()
    unknown = arguments.keys() - schema.get("properties", arguments).keys()
    return f"{name}: {', '.join(sorted(missing | unknown))}" if missing or unknown else None


def _messages(answer: bytes) -> list[dict[str, Any]]:
    if not answer.startswith(b"data:"):
        return [choice["message"] for choice in json.loads(answer)["choices"]]
    found: dict[int, dict[str, Any]] = {}
    for line in answer.split(b"\n"):
        event = line.removeprefix(b"data:").strip()
        if line.startswith(b"data:") and event != b"[DONE]":
            for choice in json.loads(event).get("choices", ()):
                _add(found.setdefault(choice["index"], {"content": "", "tool_calls": []}), choice["delta"])
    return list(found.values())


def _add(message: dict[str, Any], delta: dict[str, Any]) -> None:
    message["content"] += delta.get("content") or ""
    for part in delta.get("tool_calls") or []:
        while len(message["tool_calls"]) <= part["index"]:
            message["tool_calls"].append({"function": {"name": "", "arguments": ""}})
        function = message["tool_calls"][part["index"]]["function"]
        for member in ("name", "arguments"):
            function[member] += part.get("function", {}).get(member) or ""
