"""ShareGPT's rows, with the `function_call` and `observation` turns that function-calling sets add.

A call that follows right on what the assistant says belongs to the same message: a served model says both in one turn.
"""

from typing import Any

from core.rows.draft import Draft, Turn, call, embedded, filled_list, text, weight
from core.rows.problems import RowError
from core.rows.strict_json import kind_of
from core.rows.tools import tools

_SPEAKERS = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "system": "system",
    "function_call": "assistant",
    "observation": "tool",
    "tool": "tool",
}


def read_sharegpt(row: dict[str, Any]) -> Draft:
    """`{"conversations": [{"from", "value", "weight"}, …], "system", "tools"}`, the tools as a string of JSON."""
    turns: list[Turn] = []
    if system := text(row.get("system"), "system"):
        turns.append(Turn("system", {"role": "system", "content": system}))
    for number, entry in enumerate(filled_list(row["conversations"], "conversations")):
        turn = _turn(entry, f"conversations[{number}]")
        if turns and _continues(turn, turns[-1]):
            said = turns.pop()
            message = {**turn.message, "content": said.message["content"]}
            turn = Turn(said.field, message, turn.call_ids)
        turns.append(turn)
    return Draft(turns, tools(row.get("tools"), "tools"))


def _turn(entry: Any, field: str) -> Turn:
    if not isinstance(entry, dict):
        raise RowError(field, f"must be a turn, an object with from and value, not {kind_of(entry)}")
    speaker = entry.get("from")
    role = _SPEAKERS.get(speaker) if isinstance(speaker, str) else None
    if role is None:
        raise RowError(f"{field}.from", f"must be one of {', '.join(_SPEAKERS)}, not {speaker!r}")
    where = f"{field}.value"
    weighed = weight(entry.get("weight"), role, f"{field}.weight")
    if speaker != "function_call":
        return Turn(field, {"role": role, "content": text(entry.get("value"), where), **weighed})
    given = embedded(entry.get("value"), where)
    if isinstance(given, list):
        calls = [call(each, f"{where}[{number}]") for number, each in enumerate(filled_list(given, where))]
    else:
        calls = [call(given, where)]
    return Turn(field, {"role": role, "content": "", "tool_calls": calls, **weighed}, (None,) * len(calls))


def _continues(turn: Turn, said: Turn) -> bool:
    """Whether the turn's calls belong to the answer before them; both are learned, or neither."""
    if "tool_calls" not in turn.message or said.message["role"] != "assistant" or "tool_calls" in said.message:
        return False
    return bool(turn.message.get("weight", 1) == said.message.get("weight", 1))
