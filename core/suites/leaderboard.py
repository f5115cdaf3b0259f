"""Questions of the Berkeley Function Calling Leaderboard, as its files have them.

A row is `{"id", "question": [[message, …]], "function": [description, …]}`; the accepted answers stand in a file of
their own, `{"id", "ground_truth": [{"function": {"argument": [value, …]}}]}`.  A question without any is one that
no function fits.  Single turns of Python functions are read; its other languages and its several turns are judged
by running code, which this does not do.
"""

import re
from pathlib import Path
from typing import Any

from core.rows import BadRows, Problem, RowError, parsed, raw_rows
from core.rows.draft import filled_list, text
from core.rows.strict_json import kind_of
from core.rows.tools import tools
from core.suites.question import AcceptedCall, Json, Leaderboard, Question

KEYS = {"question", "function"}
"""By these a row is known to be the leaderboard's."""
TYPES = {"string", "any", "integer", "float", "boolean", "array", "tuple", "dict"}
"""Its names of types."""
_ROLES = ("system", "user", "assistant")
_NUMBER = re.compile(r"_\d+(-\d+)*$")
_NEEDS_ANSWERS = re.compile(r"simple|multiple|parallel|relevance(?<!irrelevance)")


class LeaderboardReader:
    """Reads the rows of one file, with the accepted answers of another."""

    def __init__(self, accepted: Path | None) -> None:
        """BadData when the file of accepted answers cannot be used."""
        self._accepted = None if accepted is None else _answers(accepted)
        self._where = "" if accepted is None else accepted.name

    def question(self, row: Json) -> Question:
        """RowError names the field that is wrong."""
        id_ = row.get("id")
        if not isinstance(id_, str) or not id_:
            raise RowError("id", "is missing: it ties the question to its accepted answers")
        functions = filled_list(row["function"], "function")
        offered = tools(functions, "function")
        for number, function in enumerate(functions):
            _check_types(function["parameters"], f"function[{number}].parameters")
        accepted = self._accepted_of(id_, {function["name"] for function in functions})
        return Question(
            kind=_NUMBER.sub("", id_),
            messages=_messages(row["question"]),
            tools=offered,
            expected=tuple(_shown(call) for call in accepted),
            leaderboard=Leaderboard([_complete(function) for function in functions], accepted),
        )

    def _accepted_of(self, id_: str, offered: set[str]) -> list[Any]:
        if self._accepted is None:
            if _NEEDS_ANSWERS.search(id_):
                raise RowError(
                    "id", f"{id_!r} is of a category that expects calls: name the file of accepted answers (accepted)"
                )
            return []
        if id_ not in self._accepted:
            raise RowError("id", f"{id_!r} has no accepted answer in {self._where}: add it there, or leave the row out")
        accepted = self._accepted[id_]
        for call in accepted:
            [name] = call
            if name not in offered:
                raise RowError("function", f"lacks {name!r}, which the accepted answer of {id_!r} calls")
        return accepted


def _messages(value: Any) -> list[Json]:
    turns = filled_list(value, "question")
    if len(turns) != 1:
        raise RowError("question", f"has {len(turns)} turns: only questions of a single one can be judged")
    messages = []
    for number, message in enumerate(filled_list(turns[0], "question[0]")):
        field = f"question[0][{number}]"
        if not isinstance(message, dict):
            raise RowError(field, f"must be a message, an object with role and content, not {kind_of(message)}")
        if message.get("role") not in _ROLES:
            raise RowError(f"{field}.role", f"must be one of {', '.join(_ROLES)}, not {message.get('role')!r}")
        messages.append({"role": message["role"], "content": text(message.get("content"), f"{field}.content")})
    if messages[-1]["role"] != "user":
        raise RowError("question[0]", "must end with what the user says")
    return messages


def _complete(function: Json) -> Json:
    """The description with the members that its rules look at."""
    parameters = function["parameters"]
    return {**function, "parameters": {**parameters, "required": parameters.get("required") or []}}


def _check_types(parameters: Any, field: str) -> None:
    """Whether the rules of the leaderboard know every parameter's type."""
    properties = parameters.get("properties") if isinstance(parameters, dict) else None
    if not isinstance(properties, dict):
        raise RowError(field, "must be an object with properties")
    for name, schema in properties.items():
        where = f"{field}.properties.{name}"
        if not isinstance(schema, dict) or schema.get("type") not in TYPES:
            given = schema.get("type") if isinstance(schema, dict) else kind_of(schema)
            raise RowError(where, f"has the type {given!r}: those of Python functions are {', '.join(sorted(TYPES))}")
        if schema["type"] in ("array", "tuple"):
            items = schema.get("items")
            if not isinstance(items, dict) or items.get("type") not in TYPES:
                raise RowError(f"{where}.items", f"must have one of the types {', '.join(sorted(TYPES))}")


def _shown(call: dict[str, dict[str, list[Any]]]) -> AcceptedCall:
    [(name, arguments)] = call.items()
    accepted = {argument: [value for value in values if value != ""] for argument, values in arguments.items()}
    return AcceptedCall(name, accepted, tuple(argument for argument, values in arguments.items() if "" in values))


def _answers(path: Path) -> dict[str, list[Any]]:
    """The accepted answers by id; BadData lists every line that cannot be used."""
    found: dict[str, list[Any]] = {}
    bad = BadRows()
    for number, raw in raw_rows(path):
        try:
            row = parsed(raw)
            id_, calls = row.get("id"), row.get("ground_truth")
            if not isinstance(id_, str) or not isinstance(calls, list):
                raise RowError("row", "must have an id and a ground_truth, a list of calls")
            if id_ in found:
                raise RowError("id", f"{id_!r} stands in an earlier row too")
            for place, call in enumerate(calls):
                _check_call(call, f"ground_truth[{place}]")
            found[id_] = calls
        except RowError as error:
            bad.add(1, [Problem(number, error.field, error.message)])
        else:
            bad.add(1, [])
    if bad.count:
        raise bad.refusal(path.name)
    return found


def _check_call(call: Any, field: str) -> None:
    if not isinstance(call, dict) or len(call) != 1:
        raise RowError(field, 'must be {"function": {"argument": [value, …]}}')
    [arguments] = call.values()
    if not isinstance(arguments, dict):
        raise RowError(field, "must give a list of accepted values for each argument")
    for argument, values in arguments.items():
        if not isinstance(values, list):
            raise RowError(f"{field}.{argument}", f"must be a list of accepted values, not {kind_of(values)}")
        objects = [each for value in values for each in (value if isinstance(value, list) else [value])]
        if not all(isinstance(each, list) for one in objects if isinstance(one, dict) for each in one.values()):
            raise RowError(f"{field}.{argument}", "must give a list of accepted values for each member of an object")
