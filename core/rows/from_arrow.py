"""Rows that come out of Arrow (Parquet, hub), as the plain JSON that they were before.

Arrow gives every struct of a column the keys of all of them, and null where a row has none: so a null in a struct means
that the key is absent.  Where null is a value of its own, keep `tools` and `arguments` as strings of JSON.
"""

from typing import Any

from core.rows.problems import RowError
from core.rows.strict_json import MAX_DEPTH, check_scalar, kind_of


def from_arrow(row: dict[str, Any]) -> dict[str, Any]:
    """The row without padding; RowError names the field that holds what JSON does not have."""
    return {key: _plain(value, key, 1) for key, value in row.items() if value is not None}


def _plain(value: Any, field: str, depth: int) -> Any:
    if value is None or isinstance(value, str | int | float):
        check_scalar(value, field)
        return value
    if depth >= MAX_DEPTH:
        raise RowError(field[:80], f"is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, list):
        return [_plain(each, f"{field}[{number}]", depth + 1) for number, each in enumerate(value)]
    if isinstance(value, dict):
        return {key: _plain(each, f"{field}.{key}", depth + 1) for key, each in value.items() if each is not None}
    raise RowError(field, f"is {kind_of(value)}, which JSON does not have: make it text")
