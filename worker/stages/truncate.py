"""Conversations too long to train on, cut from the left by whole turns.

A turn is what a user says and all that follows until the user speaks again: calls, results and answers stay together.
The system prompt and the tools stay, and so does the turn with the last learned answer, whole.
"""

from bisect import bisect_left
from dataclasses import replace

from core.rows import Row
from worker.stages.render import Rendered, Renderer


def cut_left(renderer: Renderer, row: Row, limit: int) -> tuple[Row, Rendered] | None:
    """The row with as few turns cut as make it at most `limit` tokens; None when its last turn alone is longer."""
    starts = turns(row)
    tried: dict[int, tuple[Row, Rendered]] = {}

    def negative_length(count: int) -> int:
        shorter = without_turns(row, starts, count)
        tried[count] = shorter, renderer.render([shorter])[0]
        return -len(tried[count][1].ids)

    # Cutting more makes a row shorter, so the search halves what is left instead of trying every count.
    fewest = bisect_left(range(len(starts)), -limit, lo=1, key=negative_length)
    return tried[fewest] if fewest < len(starts) else None


def turns(row: Row) -> list[int]:
    """Where each turn begins that may be cut or must stay, up to the one with the last learned answer."""
    messages = row.messages
    last = max((i for i, m in enumerate(messages) if m["role"] == "assistant" and m.get("weight", 1)), default=0)
    return [
        i
        for i, m in enumerate(messages[:last])
        if m["role"] == "user" and (i == 0 or messages[i - 1]["role"] != "user")
    ]


def without_turns(row: Row, starts: list[int], count: int) -> Row:
    """The row without what stands between its system prompt and its turn number `count`."""
    head = row.messages[:1] if row.messages[0]["role"] in ("system", "developer") else []
    return replace(row, messages=[*head, *row.messages[starts[count] :]])
