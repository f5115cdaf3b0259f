"""The data sets that a stage reads: where each lies, its rows, and what becomes of its bad rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

from core.file_store import stored_path
from core.rows import BadRows, Converted, Problem, RawRow, Row, convert_all, convert_chunk, raw_rows, with_form
from core.spec import DatasetSpec
from core.storage import confined
from worker.stages.hub import raw_hub_rows


class Roots(Protocol):
    """Where files are: a `StageRun` or an `EvaluationRun`."""

    @property
    def data_root(self) -> str: ...

    @property
    def files_root(self) -> str: ...


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

    def __init__(self, data: DatasetSpec, roots: Roots) -> None:
        path = file_of(data, roots)
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


def file_of(data: DatasetSpec, roots: Roots) -> Path | None:
    """The file that holds the data set, below the data root or uploaded; None for one of the hub."""
    if data.is_on_hub:
        return None
    if data.file_id is not None:
        return stored_path(Path(roots.files_root), data.file_id)
    return confined(Path(roots.data_root), data.source, "data.source")


def source_rows(data: DatasetSpec, roots: Roots) -> Iterator[Row]:
    """The converted rows of a data set."""
    return Source(data, roots).rows()
