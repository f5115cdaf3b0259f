"""Data-set rows: reading files, and converting every known form to one internal row."""

from core.rows.convert import Converted, chunks, convert, convert_all, convert_chunk, parsed, with_form
from core.rows.files import RowScan, form_of, offers_tools, read_rows, scan
from core.rows.forms import detect_format
from core.rows.held_out import last, without_last
from core.rows.join import joined
from core.rows.problems import BadRows, Problem, RowError
from core.rows.raw import RawRow
from core.rows.reading import raw_rows
from core.rows.row import Row

__all__ = [
    "BadRows",
    "Converted",
    "Problem",
    "RawRow",
    "Row",
    "RowError",
    "RowScan",
    "chunks",
    "convert",
    "convert_all",
    "convert_chunk",
    "detect_format",
    "form_of",
    "joined",
    "last",
    "offers_tools",
    "parsed",
    "raw_rows",
    "read_rows",
    "scan",
    "with_form",
    "without_last",
]
