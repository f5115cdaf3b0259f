"""A file's rows in the internal form, and what the whole file holds."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from core.errors import BadData
from core.rows.convert import convert_all, with_form
from core.rows.held_out import without_last
from core.rows.join import joined
from core.rows.problems import BadRows
from core.rows.reading import raw_rows
from core.rows.row import Row

_LOOKED_AT = 100


@dataclass(frozen=True)
class RowScan:
    """What a whole file holds: conversations, those to learn from, and the bad rows that were left out."""

    rows: int
    trainable: int
    dropped: BadRows = field(default_factory=BadRows)


def read_rows(
    path: Path, form: str = "auto", limit: int | None = None, dropped: BadRows | None = None
) -> Iterator[Row]:
    """The first `limit` rows, converted; bad ones are counted in `dropped`, or refused all at once without it."""
    return convert_all(raw_rows(path), path.name, form, limit, dropped)


def form_of(path: Path) -> str:
    """The form of the file's rows; BadData when it holds none, or they are in no known form."""
    return with_form(raw_rows(path), path.name)[0]


def scan(
    path: Path,
    form: str = "auto",
    limit: int | None = None,
    join_rows: int = 1,
    *,
    drop: bool = False,
    held_out: int = 0,
) -> RowScan:
    """Read a whole file, its rows joined; BadData when it is empty, broken, or holds nothing to train on.

    The last `held_out` rows, of the first `limit`, are left out.
    """
    rows = trainable = 0
    dropped = BadRows()
    raw = without_last(islice(raw_rows(path), limit), held_out)
    for row in joined(convert_all(raw, path.name, form, None, dropped if drop else None), join_rows):
        rows += 1
        trainable += row.trainable
    if not trainable:
        raise BadData(
            f"{path.name}: none of its {rows} rows has an assistant message to train on "
            "(all are masked by weight 0, or there is none); add answers",
            param="data.source",
        )
    return RowScan(rows, trainable, dropped)


def offers_tools(path: Path) -> bool:
    """Whether any of the file's first rows offers tools."""
    return any(row.tools for row in islice(read_rows(path), _LOOKED_AT))
