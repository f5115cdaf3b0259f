"""The forms in which rows come: how each is known by its keys, and its reader."""

from collections.abc import Callable
from typing import Any

from core.rows.draft import Draft
from core.rows.forms.alpaca import read_alpaca
from core.rows.forms.openai import read_openai
from core.rows.forms.sharegpt import read_sharegpt
from core.rows.forms.xlam import read_xlam
from core.rows.problems import ROW, RowError

_FORMS: dict[str, tuple[set[str], Callable[[dict[str, Any]], Draft]]] = {
    "ultrachat": ({"messages", "prompt_id"}, read_openai),
    "openai": ({"messages"}, read_openai),
    "xlam": ({"query", "answers"}, read_xlam),
    "sharegpt": ({"conversations"}, read_sharegpt),
    "alpaca": ({"instruction", "output"}, read_alpaca),
}
"""The keys by which each form is known, and what reads it."""


def detect_format(row: dict[str, Any]) -> str:
    """The form a row is in, by its keys."""
    for form, (keys, _) in _FORMS.items():
        if keys <= row.keys():
            return form
    known = ", ".join(f"{' + '.join(sorted(keys))} ({form})" for form, (keys, _) in _FORMS.items())
    raise RowError(ROW, f"has the keys {_listed(row)}, which fit no known form; known are {known}")


def read_form(row: dict[str, Any], form: str) -> Draft:
    """The row as a draft; RowError where it is in another form, or a field is wrong."""
    keys, read = _FORMS[form]
    missing = sorted(keys - row.keys() - {"prompt_id"})
    if missing:
        raise RowError(ROW, f"is not in {form} form: it has no {' and no '.join(missing)}; {_other(row)}")
    return read(row)


def _other(row: dict[str, Any]) -> str:
    try:
        return f"it is in {detect_format(row)} form: put rows of one form into one file"
    except RowError:
        return f"its keys are {_listed(row)}"


def _listed(row: dict[str, Any]) -> str:
    """The row's keys, as many as can be read at a glance."""
    return ", ".join(sorted(row)[:12])[:200] or "(none)"
