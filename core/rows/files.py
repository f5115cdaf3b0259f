"""Reading rows from JSONL and JSON files; every error names the file, the row and the field."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import BadData
from core.rows.convert import Row, RowError, convert_all, detect_format
from core.rows.join import joined


@dataclass(frozen=True)
class RowScan:
    """What a whole file holds."""

    rows: int
    trainable: int


def read_rows(path: Path, form: str = "auto", limit: int | None = None) -> Iterator[Row]:
    """The first `limit` rows, converted; BadData for an empty file and at the first row that cannot be used."""
    return convert_all(_raw_rows(path), path.name, form, limit)


def form_of(path: Path) -> str:
    """The form that the file's first row is in; BadData when there is none, or it is in none."""
    for number, row in _raw_rows(path):
        try:
            return detect_format(row)
        except RowError as error:
            raise BadData(f"{path.name}, row {number}: {error}", param="data.source") from None
    raise BadData(f"{path.name} holds no rows; give it at least one", param="data.source")


def scan(path: Path, form: str = "auto", limit: int | None = None, join_rows: int = 1) -> RowScan:
    """Read a whole file, its rows joined; BadData when it is empty, broken, or holds nothing to train on."""
    rows = trainable = 0
    for row in joined(read_rows(path, form, limit), join_rows):
        rows += 1
        trainable += row.trainable
    if not trainable:
        raise BadData(
            f"{path.name}: none of its {rows} rows has an assistant message to train on "
            "(all are masked by weight 0, or there is none); add answers",
            param="data.source",
        )
    return RowScan(rows=rows, trainable=trainable)


def _raw_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(row number from 1, row) of a JSONL file or of a JSON file that holds one list."""
    try:
        if path.suffix == ".json":
            rows = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(rows, list):
                raise BadData(f"{path.name} holds a JSON {type(rows).__name__}, not a list of rows")
            yield from enumerate(rows, 1)
            return
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, _line(path, number, line)
    except json.JSONDecodeError as error:
        raise BadData(f"{path.name} is not valid JSON: {error}", param="data.source") from None
    except UnicodeDecodeError as error:
        raise BadData(f"{path.name} is not UTF-8 text: {error}; convert it first", param="data.source") from None


def _line(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
    except UnicodeDecodeError as error:
        message = f"{path.name}, row {number}: is not UTF-8 text: {error}; convert the file first"
        raise BadData(message, param="data.source") from None
    except json.JSONDecodeError as error:
        raise BadData(f"{path.name}, row {number}: is not valid JSON: {error}", param="data.source") from None
    if not isinstance(row, dict):
        raise BadData(f"{path.name}, row {number}: is a JSON {type(row).__name__}, not an object", param="data.source")
    return row
