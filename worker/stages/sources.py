"""The data sets that a stage reads: where each lies, its rows, and what becomes of its bad rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

from core.file_store import stored_path
from core.pins import check_content
from core.rows import (
    BadRows,
    Converted,
    Problem,
    RawRow,
    Row,
    convert_all,
    convert_chunk,
    last,
    raw_rows,
    with_form,
    without_last,
)
from core.spec import DatasetSpec, HeldOut, SourceSpec, SuiteSpec
from core.storage import confined
from core.suites import ReadSuite, read_suite
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

    def __init__(self, data: DatasetSpec, roots: Roots, held_out: int = 0) -> None:
        """The last `held_out` rows are left out."""
        path = file_of(data, roots)
        self.data, self.bad = data, BadRows()
        self.name = data.source if path is None else path.name
        raw = raw_hub_rows(data) if path is None else raw_rows(path)
        self._raw: Iterator[RawRow] = without_last(islice(raw, data.rows), held_out)

    def rows(self) -> Iterator[Row]:
        """The converted rows; bad ones are counted, or refused once all have been read."""
        bad = self.bad if self.data.on_bad_row == "drop" else None
        return convert_all(self._raw, self.name, self.data.format, None, bad)

    def chunks(self, size: int) -> Iterator[RawChunk]:
        """The rows in chunks, to be converted elsewhere; `add` takes what is wrong with each, and `end` judges."""
        form, rows = with_form(self._raw, self.name, self.data.format)
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


def file_of(data: SourceSpec, roots: Roots) -> Path | None:
    """The file that holds the data set, below the data root or uploaded; None for one of the hub.

    DataChanged when it is pinned to other bytes than it holds.
    """
    if data.is_on_hub:
        return None
    if data.file_id is not None:
        path = stored_path(Path(roots.files_root), data.file_id)
    else:
        path = confined(Path(roots.data_root), data.source, "data.source")
    if data.sha256 is not None:
        check_content(path, data.sha256, data.source)
    return path


def source_rows(data: DatasetSpec, roots: Roots) -> Iterator[Row]:
    """The converted rows of a data set."""
    return Source(data, roots).rows()


def accepted_of(suite: SuiteSpec, roots: Roots) -> Path | None:
    """The file of a suite's accepted answers, if they stand in one of their own."""
    return None if suite.accepted is None else confined(Path(roots.data_root), suite.accepted, "accepted")


def source_suite(suite: SuiteSpec, roots: Roots) -> ReadSuite:
    """The questions of a suite; BadData lists what is wrong with its rows."""
    raw, name = _raw_of(suite, roots)
    return read_suite(suite, raw, name, accepted_of(suite, roots))


def held_out_suite(held_out: HeldOut, roots: Roots) -> ReadSuite:
    """The questions that are held out of a stage's data."""
    raw, name = _raw_of(held_out.data, roots)
    suite = SuiteSpec.model_validate(held_out.data.model_dump())
    return read_suite(suite, last(islice(raw, held_out.data.rows), held_out.rows), name, None)


def _raw_of(data: SourceSpec, roots: Roots) -> tuple[Iterator[RawRow], str]:
    path = file_of(data, roots)
    return (raw_hub_rows(data), data.source) if path is None else (raw_rows(path), path.name)
