"""Rows joined to conversations: data sets that hold one exchange a row repeat the same tools over and over.

A conversation of several exchanges costs little more than one, as the tools stand in it once; and it teaches to answer
what was asked last, whatever stands before it.
"""

from collections.abc import Iterable, Iterator

from core.rows.row import Row


def joined(rows: Iterable[Row], most: int) -> Iterator[Row]:
    """Up to `most` rows that follow one another and offer the same tools, as one; with 1, the rows as they are.

    A row that brings a system message of its own begins a conversation.
    """
    held: Row | None = None
    count = 0
    for row in rows:
        if held is not None and count < most and _continues(row, held):
            held, count = Row(held.messages + row.messages, held.tools, origin=held.origin), count + 1
            continue
        if held is not None:
            yield held
        held, count = row, 1
    if held is not None:
        yield held


def _continues(row: Row, held: Row) -> bool:
    return row.tools == held.tools and row.messages[0]["role"] not in ("system", "developer")
