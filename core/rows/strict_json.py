"""JSON as RFC 8259 has it: what Python's own reader lets pass beyond that is lost, or breaks later on.

Refused are duplicate keys (one value would be lost), NaN and numbers too large for a float (no client can send them),
lone surrogates (no tokenizer can encode them), NUL characters (Postgres cannot store them), and anything nested deeper
than 200 levels.
"""

import math
import re
from typing import Any

import jiter

from core.rows.problems import ROW, RowError

MAX_DEPTH = 200
"""Levels of nesting; jiter's own limit."""
_LOCATION = re.compile(r" at line 1 column (\d+)$")
_EXPLAINED = {
    "expected value": "is not valid JSON: a value is missing, or is none of JSON's (NaN, Infinity, None, True)",
    "unexpected end of hex escape": "holds half of a surrogate pair (\\ud800 to \\udfff): no text can have it",
    "lone leading surrogate in hex escape": "holds half of a surrogate pair (\\ud800 to \\udfff): no text can have it",
    "invalid unicode code point": "is not UTF-8 text: convert the file first",
    "recursion limit exceeded": f"is nested deeper than {MAX_DEPTH} levels",
}


def parse_json(text: bytes, field: str) -> Any:
    """The value of a JSON text; RowError names the field that holds it."""
    try:
        value = jiter.from_json(text, allow_inf_nan=False, catch_duplicate_keys=True)
    except ValueError as error:
        raise RowError(field, _explained(str(error))) from None
    if b"\\u0000" in text:
        check_scalars(value, "" if field == ROW else field)
    return value


def written_json(text: str) -> Any:
    """The value of JSON that a model wrote, NUL characters and repeated keys included; ValueError when it is none.

    What is nested deeper than `MAX_DEPTH`, and numbers that JSON does not have, are none either.
    """
    return jiter.from_json(text.encode("utf-8", "surrogatepass"), allow_inf_nan=False)


def check_scalar(value: Any, field: str) -> None:
    """RowError for a text or a number that no client can send."""
    if isinstance(value, str) and "\0" in value:
        raise RowError(field, "holds a NUL character (\\u0000): remove it")
    if isinstance(value, float) and not math.isfinite(value):
        raise RowError(field, "is NaN, or a number that is too large: the largest is about 1.8e308")


def kind_of(value: Any) -> str:
    """What a value is called in JSON, with its article."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case dict():
            return "an object"
    return f"a {type(value).__name__}"


def check_scalars(value: Any, field: str) -> None:
    """`check_scalar` for every text and number in a value; what each is called is only made up where one is wrong."""
    if not _all_fit(value):
        _find_misfit(value, field)


def _all_fit(value: Any) -> bool:
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, str):
            if "\0" in one:
                return False
        elif isinstance(one, dict):
            left += one
            left += one.values()
        elif isinstance(one, list):
            left += one
        elif isinstance(one, float) and not math.isfinite(one):
            return False
    return True


def _find_misfit(value: Any, field: str) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            check_scalar(key, f"the key {key!r} in {field or 'the row'}")
            _find_misfit(inner, f"{field}.{key}".lstrip("."))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            _find_misfit(inner, f"{field}[{number}]")
    else:
        check_scalar(value, field)


def _explained(said: str) -> str:
    """What jiter's message means; a row is one line, so only the column is told."""
    reason = _LOCATION.sub("", said)
    column = _LOCATION.search(said)
    return _EXPLAINED.get(reason, f"is not valid JSON: {reason}") + (f" (column {column[1]})" if column else "")
