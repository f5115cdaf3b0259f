"""Rows kept in a temporary file, by number: a data set is read once, whatever its size, and memory holds offsets only.

The file has no name, so nothing of it stays when the program ends, however it ends.
"""

import pickle
import tempfile
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path

from core.rows import Row


class Spool:
    """A list of rows on disk."""

    def __init__(self, folder: Path | None = None) -> None:
        """`folder` is on the disk that the rows may fill; the system's temporary folder when None."""
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  closed as this is
        self._offsets = array("q")
        self._end = 0

    def __enter__(self) -> "Spool":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def extend(self, rows: Iterable[Row]) -> None:
        """Add rows."""
        for row in rows:
            self.append(row)

    def append(self, row: Row) -> None:
        """Add a row; no row may have been read before."""
        content = pickle.dumps(row, pickle.HIGHEST_PROTOCOL)
        self._file.write(content)
        self._offsets.append(self._end)
        self._end += len(content)

    def __len__(self) -> int:
        return len(self._offsets)

    def __getitem__(self, number: int) -> Row:
        self._file.seek(self._offsets[number])
        row: Row = pickle.load(self._file)  # our own bytes, in a file that no other process can name
        return row

    def first(self, count: int) -> Iterator[Row]:
        """The first rows, in order."""
        return (self[number] for number in range(count))
