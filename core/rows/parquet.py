"""Parquet files, a few rows at a time."""

from collections.abc import Iterator
from pathlib import Path

from core.errors import BadData
from core.rows.limits import BLOCK_BYTES
from core.rows.raw import RawRow

_BATCH_ROWS = 64


def parquet_rows(path: Path) -> Iterator[RawRow]:
    """The rows of the file, from 1; BadData when it is broken."""
    import pyarrow  # only here: files of other kinds need not wait for it
    import pyarrow.parquet

    number = 0
    try:
        # Without pre-buffering, and with a buffer, no row group is held whole.
        with pyarrow.parquet.ParquetFile(path, pre_buffer=False, buffer_size=BLOCK_BYTES) as file:
            for batch in file.iter_batches(batch_size=_BATCH_ROWS):
                for row in batch.to_pylist(maps_as_pydicts="strict"):
                    number += 1
                    yield number, row
    except (pyarrow.ArrowException, OSError, ValueError, KeyError) as error:
        problem = f"{path.name} is a broken Parquet file, behind row {number} ({error})"
        raise BadData(f"{problem}: write it again", param="data.source") from None
