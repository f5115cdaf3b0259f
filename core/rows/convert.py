"""Raw rows of any form -> rows in the internal form; what cannot be converted becomes a problem of its row.

For many rows in parallel: `form, rows = with_form(raw, source, form)`, then `convert_chunk(chunk, source, form)` for
each of `chunks(rows)` in any process, in any order, and `BadRows.add` for what comes back.  `convert_all` does that in
turn, in this process.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any

from core.errors import BadData
from core.rows.forms import detect_format, read_form
from core.rows.from_arrow import from_arrow
from core.rows.problems import ROW, BadRows, Problem, RowError
from core.rows.raw import RawRow, RawValue
from core.rows.row import Row
from core.rows.rules import conversation
from core.rows.strict_json import kind_of, parse_json

CHUNK_ROWS = 64
CHUNK_BYTES = 4_000_000
_PEEKED_ROWS = 20
"""So many of the first rows are looked at for one whose form can be told."""


@dataclass(frozen=True)
class Converted:
    """What became of a chunk: its good rows in order, and its bad ones; both together are all of it."""

    rows: list[Row]
    problems: list[Problem]


def convert(row: dict[str, Any], form: str) -> Row:
    """Convert one row of the given form; RowError names the field that is wrong."""
    draft = read_form(row, form)
    kind = row.get("kind")
    messages = conversation(draft.turns, draft.tools)
    return Row(messages=messages, tools=draft.tools or None, kind=kind if isinstance(kind, str) else None)


def convert_chunk(chunk: list[RawRow], source: str, form: str) -> Converted:
    """Parse and convert the rows of a chunk.  Pure, and both what it takes and what it gives can be pickled."""
    rows: list[Row] = []
    problems: list[Problem] = []
    for number, raw in chunk:
        try:
            row = convert(parsed(raw), form)
        except RowError as error:
            problems.append(Problem(number, error.field, error.message))
        else:
            rows.append(replace(row, origin=f"{source}, row {number}"))
    return Converted(rows, problems)


def with_form(raw: Iterable[RawRow], source: str, form: str = "auto") -> tuple[str, Iterator[RawRow]]:
    """The form of a source's rows, and all those rows; detected on the first row that can be read.

    BadData when the source is empty, or none of its first rows is in a known form.
    """
    rows = iter(raw)
    first: list[RawRow] = []
    bad = BadRows()
    for number, value in islice(rows, _PEEKED_ROWS):
        first.append((number, value))
        try:
            form = detect_format(parsed(value)) if form == "auto" else form
            break
        except RowError as error:
            bad.add(1, [Problem(number, error.field, error.message)])
    if not first:
        raise BadData(f"{source} holds no rows; give it at least one", param="data.source")
    if form == "auto":
        raise bad.refusal(source)
    return form, chain(first, rows)


def chunks(rows: Iterator[RawRow], most_rows: int = CHUNK_ROWS) -> Iterator[list[RawRow]]:
    """The rows in lists of up to so many, and of not much more than `CHUNK_BYTES` of text."""
    chunk: list[RawRow] = []
    size_bytes = 0
    for number, value in rows:
        chunk.append((number, value))
        size_bytes += len(value) if isinstance(value, bytes) else 0
        if len(chunk) == most_rows or size_bytes >= CHUNK_BYTES:
            yield chunk
            chunk, size_bytes = [], 0
    if chunk:
        yield chunk


def convert_all(
    rows: Iterable[RawRow],
    source: str,
    form: str = "auto",
    limit: int | None = None,
    dropped: BadRows | None = None,
) -> Iterator[Row]:
    """The first `limit` raw rows of a source, converted.

    Bad rows are left out and counted in `dropped`; without it, BadData lists them once all rows have been read.  A
    source without one good row is refused either way.
    """
    form, rows = with_form(islice(rows, limit), source, form)
    bad = BadRows() if dropped is None else dropped
    try:
        for chunk in chunks(rows):
            converted = convert_chunk(chunk, source, form)
            bad.add(len(chunk), converted.problems)
            if dropped is not None or not bad.count:
                yield from converted.rows
            elif bad.is_full:
                break
    except BadData as error:  # the file cannot be read on
        if dropped is None and bad.count:
            told = bad.refusal(source, is_whole=False).message
            raise BadData(f"{error.message}; and {told}", param=error.param) from None
        raise
    if bad.count and (dropped is None or bad.count == bad.rows_read):
        raise bad.refusal(source, is_whole=dropped is not None or not bad.is_full)


def parsed(raw: RawValue) -> dict[str, Any]:
    """A row as the file has it; RowError when it is no object."""
    if isinstance(raw, RowError):
        raise raw
    if not isinstance(raw, bytes):
        return from_arrow(raw)
    row = parse_json(raw, ROW)
    if not isinstance(row, dict):
        raise RowError(ROW, f"is {kind_of(row)}, not an object")
    return row
