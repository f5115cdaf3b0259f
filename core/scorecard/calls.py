"""Calls as people write them: `get_weather(city="Oslo")`, values as JSON."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any


def written_calls(calls: Sequence[Any]) -> str:
    """What a model called, a line each; arguments that are no object are shown as they came."""
    return "\n".join(_written(call, _given) for call in calls)


def written_expected(calls: Sequence[Any]) -> str:
    """What is right, a line each: `|` between accepted values, `?` after an argument that may be left out."""
    return "\n".join(_written(call, partial(_accepted, call)) for call in calls)


def _written(call: Any, argument: Callable[[str, Any], str]) -> str:
    match call:
        case {"name": str(name), "arguments": dict(arguments)}:
            return f"{name}({', '.join(argument(*each) for each in arguments.items())})"
        case {"name": str(name), "arguments": arguments}:
            return f"{name}({arguments})"
    return _json(call)


def _given(name: str, value: Any) -> str:
    return f"{name}={_json(value)}"


def _accepted(call: dict[str, Any], name: str, values: Any) -> str:
    mark = "?" if name in call.get("optional", ()) else ""
    accepted = "|".join(map(_json, values)) if isinstance(values, list) else _json(values)
    return f"{name}{mark}={accepted}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
