"""Calls judged as the Berkeley Function Calling Leaderboard judges them: each argument has a list of accepted values.

An accepted call is `{"function": {"argument": [value, …]}}`; an empty string among the values says that the argument
may be left out.  The verdicts are those of its own checker for Python functions (bfcl_eval, `ast_checker`), oddities
included, by test: text counts without spaces, case and some punctuation; a whole number stands for a float, but not
within a list; and where an accepted value is of another type than declared, only that very value counts.
"""

import re
from collections.abc import Sequence
from typing import Any

Call = tuple[str, Any]
"""A function's name, and its arguments."""
Accepted = dict[str, dict[str, list[Any]]]
_LEFT_OUT = ""
_TYPES: dict[str, type] = {
    "string": str,
    "any": str,
    "integer": int,
    "float": float,
    "boolean": bool,
    "array": list,
    "tuple": list,
    "dict": dict,
}
_NOT_COMPARED = re.compile(r"[ ,./\-_*^]")


def fault_of_calls(calls: Sequence[Call], functions: Sequence[dict[str, Any]], accepted: Sequence[Accepted]) -> str:
    """Why the calls are not the accepted ones, in any order; nothing when they are.

    `functions` are the leaderboard's descriptions, with Python's names of types.
    """
    if len(calls) != len(accepted):
        return f"{len(calls)} calls where {len(accepted)} are right"
    by_name = {function["name"]: function for function in functions}
    left = list(calls)
    for wanted in accepted:
        [(name, values)] = wanted.items()
        faults = [fault_of_call(call, by_name[name], values) for call in left]
        if "" not in faults:
            return faults[0] if len(faults) == 1 else f"no call to {name} is right: {'; '.join(faults)}"
        left.pop(faults.index(""))
    return ""


def fault_of_call(call: Call, function: dict[str, Any], accepted: dict[str, list[Any]]) -> str:
    """Why it is not an accepted call of the function, or nothing."""
    name, arguments = call
    if name != function["name"]:
        return f"{name} was called where {function['name']} is right"
    if not isinstance(arguments, dict):
        return f"the arguments of {name} are no object"
    declared = function["parameters"]["properties"]
    missing = [one for one in function["parameters"]["required"] if one not in arguments]
    missing += [one for one, values in accepted.items() if one not in arguments and _LEFT_OUT not in values]
    if missing:
        return f"{missing[0]} is missing"
    for argument, value in arguments.items():
        if argument not in declared or argument not in accepted:
            return f"{argument} does not belong there"
        if fault := _fault_of_value(value, declared[argument], accepted[argument]):
            return f"{argument} {fault}"
    return ""


def _fault_of_value(value: Any, declared: dict[str, Any], accepted: list[Any]) -> str:
    kind: Any = _TYPES[declared["type"]]
    item_kind = _TYPES[declared["items"]["type"]] if declared["type"] in ("array", "tuple") else None
    if kind is float and type(value) is int:
        value = float(value)
    example = _first(accepted)
    is_literal = example is not None and type(example) is not kind
    if type(value) is kind:
        if item_kind and not any(_items_fit(value, item_kind, each) for each in accepted):
            return f"is {value!r}, whose items are not each of type {declared['items']['type']}"
    elif example is not None and type(value) is type(example):
        is_literal = True
    else:
        return f"is {value!r}, which is not of type {declared['type']}"
    if _is_accepted(value, kind, item_kind, accepted, is_literal=is_literal):
        return ""
    return f"is {value!r}; accepted are {accepted}"


def _items_fit(value: list[Any], item_kind: type, accepted: Any) -> bool:
    """Whether the items are of the declared type, or of that of the accepted list's first one."""
    if not isinstance(accepted, list):
        return True
    example = _first(accepted)
    kinds = {item_kind} if example is None else {item_kind, type(example)}
    return all(type(item) in kinds for item in value)


def _is_accepted(value: Any, kind: type, item_kind: type | None, accepted: list[Any], *, is_literal: bool) -> bool:
    if is_literal:
        return value in accepted
    if kind is dict:
        return any(_is_accepted_dict(value, each) for each in accepted if each != _LEFT_OUT)
    if item_kind is dict:
        lists = [each for each in accepted if isinstance(each, list)]
        return any(len(value) == len(each) and all(map(_is_accepted_dict, value, each)) for each in lists)
    if kind is str:
        return _plain(value) in [_plain(each) for each in accepted if isinstance(each, str)]
    if kind is list:
        lists = [[_plain(item) for item in each] for each in accepted if isinstance(each, list)]
        return [_plain(item) for item in value] in lists
    return value in accepted


def _is_accepted_dict(value: Any, accepted: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(accepted, dict):
        return False
    known = all(
        key in accepted and _plain(item) in [_plain(each) for each in accepted[key]] for key, item in value.items()
    )
    return known and all(key in value or _LEFT_OUT in values for key, values in accepted.items())


def _first(accepted: list[Any]) -> Any:
    return next((value for value in accepted if value != _LEFT_OUT), None)


def _plain(value: Any) -> Any:
    """Text as it is compared: 'April 1, 2024' is 'april 1 2024'."""
    return _NOT_COMPARED.sub("", value).lower().replace("'", '"') if isinstance(value, str) else value
