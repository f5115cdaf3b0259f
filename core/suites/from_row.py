"""A question made of a row of data: its last message is the answer that is right."""

from typing import Any

from core.rows import Row, RowError
from core.suites.question import AcceptedCall, Json, Question


def question_of(row: Row) -> Question:
    """RowError when the row does not end with an answer."""
    *before, last = row.messages
    if last["role"] != "assistant":
        raise RowError(
            "messages", f"end with a {last['role']} message: the last one must be the assistant's, which is expected"
        )
    expected = expected_calls(last.get("tool_calls") or [], row.tools)
    messages = [{key: value for key, value in message.items() if key != "weight"} for message in before]
    return Question(
        kind=row.kind or ("call" if expected else "no_call"),
        messages=messages,
        tools=row.tools,
        expected=expected,
        origin=row.origin,
    )


def expected_calls(calls: list[Json], tools: list[Json] | None) -> tuple[AcceptedCall, ...]:
    """The very arguments of each call are accepted, and one that has its schema's default may also be left out.

    Leaving an optional argument out asks the function for its default, so giving that very value is the same call, and
    which of the two a data set's author wrote is chance.  An argument that the schema requires must be given even so:
    a server that checks the schema refuses the call without it.
    """
    parameters = {tool["function"]["name"]: tool["function"]["parameters"] for tool in tools or ()}
    return tuple(_expected(call["function"], parameters.get(call["function"]["name"], {})) for call in calls)


def _expected(function: Json, parameters: Json) -> AcceptedCall:
    properties, required = parameters.get("properties", {}), parameters.get("required", [])
    defaults: dict[str, Any] = {
        name: schema["default"]
        for name, schema in properties.items()
        if isinstance(schema, dict) and "default" in schema
    }
    given: dict[str, Any] = function["arguments"]
    accepted = {**{name: [value] for name, value in defaults.items()}, **{name: [v] for name, v in given.items()}}
    optional = tuple(
        name
        for name, values in accepted.items()
        if name not in given or (name in defaults and name not in required and same_json(values[0], defaults[name]))
    )
    return AcceptedCall(function["name"], accepted, optional)


def same_json(one: Any, other: Any) -> bool:
    """Whether two values are one in JSON: 3.0 is 3 there, and true is not 1 as it is to Python."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_json(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_json, one, other))
    return bool(one == other)
