"""JSONL: one row a line, numbered by line; empty lines are passed over."""

from collections.abc import Iterator
from typing import BinaryIO

from core.rows.content import BYTE_ORDER_MARK
from core.rows.limits import BLOCK_BYTES, ROW_BYTES
from core.rows.problems import ROW, RowError
from core.rows.raw import RawRow


def json_lines(file: BinaryIO) -> Iterator[RawRow]:
    """The lines of a file, from 1; of one that is too long, only that it is."""
    number = 0
    while line := file.readline(ROW_BYTES + 1):
        number += 1
        if len(line) > ROW_BYTES and not line.endswith(b"\n"):
            _skip_line(file)
            yield number, too_long()
            continue
        row = (line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line).strip()
        if row:
            yield number, row


def too_long() -> RowError:
    """The error of a row that is longer than any may be."""
    return RowError(ROW, f"is longer than {ROW_BYTES:,} bytes, the most that a row may have: split or shorten it")


def _skip_line(file: BinaryIO) -> None:
    while (part := file.readline(BLOCK_BYTES)) and not part.endswith(b"\n"):
        pass
