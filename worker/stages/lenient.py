"""Calls read out of plain text, in whatever form a model that was never taught the server's may write them.

Read are JSON objects and lists anywhere in the text (within ``` fences, `<tool_call>` or prose), with the usual names
of their members, and Python's call syntax.  Only functions that are offered count: prose in parentheses is no call.
"""

import ast
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from worker.stages.accepted import Call

_NAME_KEYS = ("name", "function", "function_name", "tool", "tool_name", "api", "action")
_ARGUMENT_KEYS = ("arguments", "parameters", "args", "params", "input", "kwargs", "action_input")
_LIST_KEYS = ("tool_calls", "function_calls", "calls", "tools", "functions")
_FUNCTION_TAG = re.compile(r"<function=([^>\s]+)>")
_MOST_TRIES = 50
"""Of places where a value or a call might begin: what a model repeats without end is not read without end."""
_DEEPEST = 50
_decode = json.JSONDecoder().raw_decode


def calls_in_text(text: str, tools: Sequence[dict[str, Any]]) -> list[Call]:
    """The calls of offered functions that the text holds, in order; none where it holds none."""
    parameters = {tool["function"]["name"]: tool["function"]["parameters"] for tool in tools}
    found = [call for value in _values(text) for call in _calls_of(value, parameters)]
    return found or list(_python_calls(text, parameters))


def _values(text: str) -> Iterator[Any]:
    """The JSON values, or Python literals, in a text that are objects or lists; outermost ones only."""
    position, tries = 0, 0
    while (begin := _next_bracket(text, position)) >= 0 and tries < _MOST_TRIES:
        tries += 1
        try:
            value, position = _decode(text, begin)
        except (ValueError, RecursionError):
            value, position = _literal(text, begin)
        if isinstance(value, dict | list):
            name = _FUNCTION_TAG.fullmatch(text[max(0, text.rfind("<", 0, begin)) : begin].strip())
            yield {"name": name[1], "arguments": value} if name else value


def _next_bracket(text: str, position: int) -> int:
    found = [place for place in (text.find("{", position), text.find("[", position)) if place >= 0]
    return min(found, default=-1)


def _literal(text: str, begin: int) -> tuple[Any, int]:
    """The value of a Python literal that begins there, and where to read on."""
    end = _closing(text, begin)
    try:
        return (ast.literal_eval(text[begin:end]), end) if end else (None, begin + 1)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None, begin + 1


def _closing(text: str, begin: int) -> int:
    """Behind the bracket that closes the one at `begin`, quotation marks minded; 0 when none does."""
    depth, quote, position = 0, "", begin
    while position < len(text):
        character = text[position]
        if quote:
            if character == "\\":
                position += 1
            elif character == quote:
                quote = ""
        elif character in "\"'":
            quote = character
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
            if depth == 0:
                return position + 1
        position += 1
    return 0


def _calls_of(value: Any, parameters: dict[str, Any], depth: int = 0) -> Iterator[Call]:
    """The calls that a value stands for."""
    if depth > _DEEPEST:
        return
    if isinstance(value, list):
        for each in value:
            yield from _calls_of(each, parameters, depth + 1)
    if not isinstance(value, dict):
        return
    for key in _NAME_KEYS:
        if isinstance(name := value.get(key), str) and name in parameters:
            yield name, _arguments(value, key)
            return
    for key in ("function", *_LIST_KEYS):
        if isinstance(value.get(key), dict | list):
            yield from _calls_of(value[key], parameters, depth + 1)
            return
    for name, arguments in value.items():
        if name in parameters and isinstance(arguments, dict):
            yield name, arguments


def _arguments(value: dict[str, Any], name_key: str) -> Any:
    """The member that holds the arguments, perhaps as text; without one, the other members are the arguments."""
    for key in _ARGUMENT_KEYS:
        if key in value:
            given = value[key]
            if isinstance(given, str):
                try:
                    return json.loads(given)
                except (ValueError, RecursionError):
                    return given
            return {} if given is None else given
    return {key: each for key, each in value.items() if key not in (name_key, "type", "id")}


def _python_calls(text: str, parameters: dict[str, Any]) -> Iterator[Call]:
    if not parameters:
        return
    names = "|".join(re.escape(name) for name in sorted(parameters, key=len, reverse=True))
    tries = 0
    position = 0
    pattern = re.compile(rf"(?<![\w.])({names})\s*\(")
    while (found := pattern.search(text, position)) and tries < _MOST_TRIES:
        tries += 1
        end = _closing(text, found.end() - 1)
        arguments = _python_arguments(text[found.end() - 1 : end], parameters[found[1]]) if end else None
        if arguments is not None:
            yield found[1], arguments
        position = end if arguments is not None else found.end()


def _python_arguments(written: str, parameters: dict[str, Any]) -> dict[str, Any] | None:
    """The arguments in parentheses, those without a name in the order of the schema; None when they are no literals."""
    try:
        call = ast.parse(f"f{written}", mode="eval").body
        if not isinstance(call, ast.Call):
            return None
        positional = [ast.literal_eval(argument) for argument in call.args]
        named = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords if keyword.arg is not None}
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    names = [name for name in parameters.get("properties", {}) if name not in named]
    if len(positional) > len(names):
        return None
    return {**dict(zip(names, positional, strict=False)), **named}
