"""Parquet files, a few rows at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.errors import BadData
from core.rows.json_lines import too_long
from core.rows.limits import BLOCK_BYTES, ROW_BYTES, UNPACKED_FREE_BYTES, UNPACKED_RATIO
from core.rows.raw import RawRow, RawValue

_BATCH_ROWS = 64


def parquet_rows(path: Path) -> Iterator[RawRow]:
    """The rows of the file, from 1; BadData when it is broken, or unpacks to too much."""
    import pyarrow  # only here: files of other kinds need not wait for it
    import pyarrow.parquet

    number = 0
    try:
        # Without pre-buffering, and with a buffer, no row group is held whole.
        with pyarrow.parquet.ParquetFile(path, pre_buffer=False, buffer_size=BLOCK_BYTES) as file:
            _check_size(file.metadata, path)
            for batch in file.iter_batches(batch_size=_BATCH_ROWS):
                for row in _rows(batch):
                    number += 1
                    yield number, row
    except (pyarrow.ArrowException, OSError, ValueError, KeyError) as error:
        problem = f"{path.name} is a broken Parquet file, behind row {number} ({error})"
        raise BadData(f"{problem}: write it again", param="data.source") from None


def _check_size(metadata: Any, path: Path) -> None:
    """BadData for a file that is a bomb by its own account; a page is unpacked whole."""
    unpacked_bytes = sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
    if unpacked_bytes > max(UNPACKED_FREE_BYTES, UNPACKED_RATIO * path.stat().st_size):
        raise BadData(
            f"{path.name} unpacks to {unpacked_bytes:,} bytes, which is over the limit for its size "
            f"({UNPACKED_RATIO} times that): give it unpacked",
            param="data.source",
        )


def _rows(batch: Any) -> Iterator[RawValue]:
    """The rows of a batch, but of those that are too long only that they are."""
    if batch.nbytes <= ROW_BYTES:
        yield from batch.to_pylist(maps_as_pydicts="strict")
        return
    for place in range(batch.num_rows):
        row = batch.slice(place, 1)
        yield too_long() if row.nbytes > ROW_BYTES else row.to_pylist(maps_as_pydicts="strict")[0]
