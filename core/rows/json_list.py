"""A JSON file that holds one list: its entries as they stream by, without holding the list."""

import re
from collections.abc import Iterator
from typing import BinaryIO

from core.errors import BadData
from core.rows.content import BYTE_ORDER_MARK
from core.rows.json_lines import too_long
from core.rows.limits import BLOCK_BYTES, ROW_BYTES
from core.rows.raw import RawRow

_STRUCTURE = re.compile(rb'["\[\]{},]')
_IN_STRING = re.compile(rb'["\\]')
_OPENING, _CLOSING = b"[{", b"]}"


def json_list(file: BinaryIO, source: str) -> Iterator[RawRow]:
    """The entries of the list, from 1; BadData where it is cut off, or something follows it."""
    entries = _Entries(file)
    number = 0
    for number, entry in enumerate(entries, 1):
        yield number, too_long() if entry is None or len(entry) > ROW_BYTES else entry
    if not entries.is_closed:
        problem = f"{source} is not valid JSON: the file ends within row {number + 1}, before its list is closed by ]"
        raise BadData(f"{problem}; it was cut off, or brackets or quotation marks do not match", param="data.source")
    if entries.rest():
        problem = f"{source} is not valid JSON: something follows its list, after row {number}"
        raise BadData(f"{problem}; put all rows into one list, or one a line (JSONL)", param="data.source")


class _Entries:
    """Finds where entries begin and end by brackets and strings alone; what stands within is read by others.

    An entry that is too long is not kept, and None stands for it.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.is_closed = False
        self._file = file
        self._buffer = file.read(BLOCK_BYTES).removeprefix(BYTE_ORDER_MARK).lstrip()
        self._start = self._position = 1  # behind the opening bracket
        self._is_too_long = False

    def __iter__(self) -> Iterator[bytes | None]:
        depth, in_string, count = 1, False, 0
        while True:
            match = (_IN_STRING if in_string else _STRUCTURE).search(self._buffer, self._position)
            if match is None:
                if not self._refill():
                    return
                continue
            sign, self._position = match.group(), match.end()
            if in_string:
                in_string = sign != b'"'
                self._position += sign == b"\\"  # the character behind it, whatever it is
            elif sign == b'"':
                in_string = True
            elif sign in _OPENING:
                depth += 1
            elif sign in _CLOSING:
                depth -= 1
            if not in_string and (depth == 0 or (depth == 1 and sign == b",")):
                entry = None if self._is_too_long else self._buffer[self._start : match.start()].strip()
                self._start, self._is_too_long = self._position, False
                self.is_closed = depth == 0
                if entry != b"" or count or not self.is_closed:
                    count += 1
                    yield entry
                if self.is_closed:
                    return

    def rest(self) -> bytes:
        """What follows the list, or the beginning of it."""
        rest = self._buffer[self._position :].strip()
        while not rest and (block := self._file.read(BLOCK_BYTES)):
            rest = block.strip()
        return rest

    def _refill(self) -> bool:
        block = self._file.read(BLOCK_BYTES)
        kept = self._buffer[self._start :]
        if self._is_too_long or len(kept) > ROW_BYTES:
            kept, self._is_too_long = b"", True
        # The position may lie behind the buffer's end, by the character that a backslash there escapes.
        self._position = len(kept) + max(0, self._position - len(self._buffer))
        self._buffer, self._start = kept + block, 0
        return bool(block)
