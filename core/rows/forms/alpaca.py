"""Alpaca's rows: an instruction, perhaps with an input, and the output."""

from typing import Any

from core.rows.draft import Draft, Turn, filled_list, text
from core.rows.problems import RowError
from core.rows.strict_json import kind_of


def read_alpaca(row: dict[str, Any]) -> Draft:
    """`{"instruction", "input", "output", "system", "history": [[question, answer], …]}`."""
    turns: list[Turn] = []
    if system := text(row.get("system"), "system"):
        turns.append(Turn("system", {"role": "system", "content": system}))
    history = row.get("history") or []
    if not isinstance(history, list):
        raise RowError("history", f"must be a list of [question, answer], not {kind_of(history)}")
    for number, pair in enumerate(history):
        turns += _exchange(pair, f"history[{number}]")
    question = text(row["instruction"], "instruction")
    if further := text(row.get("input"), "input"):
        question += "\n\n" + further
    turns.append(Turn("instruction", {"role": "user", "content": question}))
    turns.append(Turn("output", {"role": "assistant", "content": text(row["output"], "output")}))
    return Draft(turns, [])


def _exchange(pair: Any, field: str) -> list[Turn]:
    if len(filled_list(pair, field)) != 2:
        raise RowError(field, f"must be [question, answer], and has {len(pair)} entries")
    return [
        Turn(f"{field}[{place}]", {"role": role, "content": text(pair[place], f"{field}[{place}]")})
        for place, role in enumerate(("user", "assistant"))
    ]
