"""xlam's function-calling rows: a query, the calls that answer it, and tools with Python-typed parameters."""

from typing import Any

from core.rows.draft import Draft, Turn, call, embedded_list, text
from core.rows.problems import RowError
from core.rows.tools import tools


def read_xlam(row: dict[str, Any]) -> Draft:
    """`{"query", "answers", "tools"}`, the last two as strings of JSON.

    Two keys are ours: `reply`, what the assistant says (alone where `answers` is empty), and `system`.
    """
    calls = [call(answer, f"answers[{n}]") for n, answer in enumerate(embedded_list(row["answers"], "answers"))]
    reply = text(row.get("reply"), "reply")
    if not calls and not reply.strip():
        raise RowError("answers", "is empty and there is no `reply` to train on instead; give one of them")
    answer: dict[str, Any] = {"role": "assistant", "content": reply}
    if calls:
        answer["tool_calls"] = calls
    turns = [
        Turn("query", {"role": "user", "content": text(row["query"], "query")}),
        Turn("answers", answer, (None,) * len(calls)),
    ]
    if system := text(row.get("system"), "system"):
        turns.insert(0, Turn("system", {"role": "system", "content": system}))
    return Draft(turns, tools(row.get("tools"), "tools", flat=True))
