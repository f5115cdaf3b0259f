"""What a file holds, told by its first bytes: people rename files, and tools leave suffixes out."""

from enum import Enum

GZIP = b"\x1f\x8b"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_PARQUET = b"PAR1"
_OTHERS = {
    b"PK\x03\x04": "a zip archive: unpack it, and name the file in it",
    b"PK\x05\x06": "an empty zip archive",
    b"\x28\xb5\x2f\xfd": "compressed with zstd: unpack it, or use gzip",
    b"BZh": "compressed with bzip2: unpack it, or use gzip",
    b"\xfd7zXZ\x00": "compressed with xz: unpack it, or use gzip",
    b"7z\xbc\xaf": "a 7z archive: unpack it, and name the file in it",
    b"ARROW1": "an Arrow file: write it as Parquet or JSONL",
    b"SQLite format 3": "an SQLite database: export its rows as JSONL",
    b"%PDF": "a PDF: give rows as JSONL",
    b"\xff\xfe\x00\x00": "text in UTF-32: convert it to UTF-8",
    b"\x00\x00\xfe\xff": "text in UTF-32: convert it to UTF-8",
    b"\xff\xfe": "text in UTF-16: convert it to UTF-8",
    b"\xfe\xff": "text in UTF-16: convert it to UTF-8",
}
_SHOWN_CHARACTERS = 40


class Content(Enum):
    """The kinds of files that can be read."""

    EMPTY = "empty"
    JSON_LINES = "JSONL"
    JSON_LIST = "JSON"
    PARQUET = "Parquet"
    GZIP = "gzip"


def content_of(head: bytes) -> Content | str:
    """The kind of a file by its beginning; for one that cannot be read, what it is and what to do."""
    if head.startswith(GZIP):
        return Content.GZIP
    if head.startswith(_PARQUET):
        return Content.PARQUET
    for magic, what in _OTHERS.items():
        if head.startswith(magic):
            return what
    text = head.removeprefix(BYTE_ORDER_MARK).lstrip(b" \t\r\n")
    if not text:
        return Content.EMPTY
    if text.startswith(b"["):
        return Content.JSON_LIST
    if b"\0" in text[:4]:
        return "text in UTF-16 or binary: convert it to UTF-8"
    if text.startswith(b"{"):
        return Content.JSON_LINES
    return _other_text(text)


def _other_text(text: bytes) -> str:
    line = text.splitlines()[0].decode("utf-8", "replace")
    shown = line[:_SHOWN_CHARACTERS]
    for separator, name in ((",", "CSV"), ("\t", "TSV")):
        if line.count(separator) and not line.startswith('"{'):
            return f"no JSON but looks like {name} (row 1 begins {shown!r}): convert it to JSONL, one object a line"
    return f"no JSON: row 1 begins {shown!r}; write one object a line (JSONL), or one list of objects (JSON)"
