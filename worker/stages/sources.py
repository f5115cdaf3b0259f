"""The data sets that a stage reads: where each lies, its rows, and what becomes of its bad rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from core.rows import BadRows, Converted, Problem, RawRow, Row, convert_all, convert_chunk, raw_rows, with_form
from core.spec import DatasetSpec
from core.storage import confined
from worker.stages.hub import raw_hub_rows


@dataclass(frozen=True)
class RawChunk:
    """Rows that follow one another in a source, not parsed yet: any process can do that."""

    source: str
    form: str
    rows: list[RawRow]

    def converted(self) -> Converted:
        """The rows in the internal form, and what is wrong with the others."""
        return convert_chunk(self.rows, self.source, self.form)


class Source:
    """One data set; its rows can be read once."""

    def __init__(self, data: DatasetSpec, data_root: Path) -> None:
        path = file_of(data, data_root)
        self.data, self.bad = data, BadRows()
        self.name = data.source if path is None else path.name
        self._raw: Iterator[RawRow] = iter(raw_hub_rows(data) if path is None else raw_rows(path))

    def rows(self) -> Iterator[Row]:
        """The converted rows; bad ones are counted, or refused once all have been read."""
        bad = self.bad if self.data.on_bad_row == "drop" else None
        return convert_all(self._raw, self.name, self.data.format, self.data.rows, bad)

    def chunks(self, size: int) -> Iterator[RawChunk]:
        """The rows in chunks, to be converted elsewhere; `add` takes what is wrong with each, and `end` judges."""
        form, rows = with_form(islice(self._raw, self.data.rows), self.name, self.data.format)
        while chunk := list(islice(rows, size)):
            yield RawChunk(self.name, form, chunk)

    def add(self, rows_read: int, problems: list[Problem]) -> None:
        """Count a chunk's bad rows; BadData once there are more than anybody will read about."""
        self.bad.add(rows_read, problems)
        if self.data.on_bad_row == "refuse" and self.bad.is_full:
            raise self.bad.refusal(self.name)

    def end(self) -> None:
        """BadData that lists the bad rows, where they are refused, or where there are no others."""
        if self.bad.count and (self.data.on_bad_row == "refuse" or self.bad.count == self.bad.rows_read):
            raise self.bad.refusal(self.name)


def file_of(data: DatasetSpec, data_root: Path) -> Path | None:
    """The file that holds the data set; None for one of the hub."""
    return confined(data_root, data.source, "data.source") if data.is_file else None


def source_rows(data: DatasetSpec, data_root: Path) -> Iterator[Row]:
    """The converted rows of a data set."""
    return Source(data, data_root).rows()
