"""Data-set rows: reading files, and converting every known form to one internal row."""

from core.rows.convert import Row, convert, convert_all, detect_format
from core.rows.files import RowScan, form_of, read_rows, scan
from core.rows.join import joined

__all__ = ["Row", "RowScan", "convert", "convert_all", "detect_format", "form_of", "joined", "read_rows", "scan"]
