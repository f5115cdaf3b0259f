"""Rows as they stand in a source, numbered and not yet parsed, so that parsing can be done elsewhere, in parallel."""

from typing import Any

from core.rows.problems import RowError

RawValue = bytes | dict[str, Any] | RowError
"""The JSON text of a row; or the row itself, of a source that is no text (Parquet, hub); or why it cannot be read."""

RawRow = tuple[int, RawValue]
"""A row's number, from 1 (in a JSONL file that of its line), and what stands there."""
