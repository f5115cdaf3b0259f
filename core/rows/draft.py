"""What a converter makes of a row before the rules of a conversation are applied, and how it reads the row's fields."""

from dataclasses import dataclass
from typing import Any

from core.rows.problems import RowError
from core.rows.strict_json import check_scalars, kind_of, parse_json


@dataclass(frozen=True, slots=True)
class Turn:
    """A message in the internal form, where the row has it, and the ids that tie tool results to calls."""

    field: str
    message: dict[str, Any]
    call_ids: tuple[str | None, ...] = ()
    result_of: str | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A row's turns, and the tools it offers."""

    turns: list[Turn]
    tools: list[dict[str, Any]]


def text(value: Any, field: str) -> str:
    """A text, or the joined text parts of OpenAI's list form; null is empty."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, list):
        return "".join(_text_part(part, f"{field}[{number}]") for number, part in enumerate(value))
    raise RowError(field, f"must be text, not {kind_of(value)}")


def _text_part(part: Any, field: str) -> str:
    if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
        raise RowError(field, 'must be {"type": "text", "text": …}: only text can be trained on')
    found: str = part["text"]
    return found


def filled_list(value: Any, field: str) -> list[Any]:
    """A list with at least one entry."""
    if not isinstance(value, list) or not value:
        raise RowError(field, "must be a list with at least one entry")
    return value


def embedded(value: Any, field: str) -> Any:
    """A value that may be given as a string of JSON; null and the empty string are an empty list."""
    if value is None:
        return []
    if not isinstance(value, str):
        return value
    found = parse_json(value.encode("utf-8", "surrogatepass"), field) if value.strip() else None
    return [] if found is None else found


def embedded_list(value: Any, field: str) -> list[Any]:
    """A list that may be given as a string of JSON."""
    found = embedded(value, field)
    if not isinstance(found, list):
        raise RowError(field, f"must be a list, not {kind_of(found)}")
    return found


def call(value: Any, field: str) -> dict[str, Any]:
    """`{"name", "arguments"}`, the arguments an object or a string that holds one, as an internal tool call."""
    if not isinstance(value, dict):
        raise RowError(field, f"must be a call, an object with name and arguments, not {kind_of(value)}")
    name = value.get("name")
    if not isinstance(name, str) or not name:
        raise RowError(f"{field}.name", "is missing: every call names its tool")
    arguments = embedded(value.get("arguments"), f"{field}.arguments") or {}
    if not isinstance(arguments, dict):
        raise RowError(f"{field}.arguments", f"must be an object, not {kind_of(arguments)}")
    check_scalars(arguments, f"{field}.arguments")
    return {"type": "function", "function": {"name": name, "arguments": dict(arguments)}}


def weight(value: Any, role: str, field: str) -> dict[str, int]:
    """An assistant message's `weight`, to be added to the message: 0 masks it, 1 and none learn it."""
    if value is None:
        return {}
    if isinstance(value, bool) or value not in (0, 1):
        raise RowError(field, f"is {value!r}: it must be 0 (not learned) or 1 (learned)")
    if role != "assistant":
        if value:
            raise RowError(field, f"is 1 on a {role} message: only what the assistant says can be learned")
        return {}
    return {"weight": int(value)}
