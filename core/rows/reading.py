"""The raw rows of a file: JSONL, a JSON list or Parquet, the first two also as gzip, told by content.

Memory does not grow with the file.  What is wrong with a row is told in its place; what keeps the file from being read
on is a BadData that names it.
"""

from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from core.errors import BadData
from core.rows.content import Content, content_of
from core.rows.json_lines import json_lines
from core.rows.json_list import json_list
from core.rows.limits import BLOCK_BYTES
from core.rows.parquet import parquet_rows
from core.rows.raw import RawRow
from core.rows.unpack import unpacked


def raw_rows(path: Path) -> Iterator[RawRow]:
    """The file's rows, numbered from 1 and not parsed yet."""
    with BufferedReader(path.open("rb", buffering=0), BLOCK_BYTES) as file:
        content = _content(file)
        if content is Content.PARQUET:
            yield from parquet_rows(path)
        elif content is Content.GZIP:
            inner = unpacked(file, path)
            yield from _text_rows(inner, _content(inner), path, "packs ")
        else:
            yield from _text_rows(file, content, path)


def _text_rows(file: BinaryIO, content: Content | str, path: Path, packs: str = "") -> Iterator[RawRow]:
    match content:
        case Content.JSON_LINES:
            return json_lines(file)
        case Content.JSON_LIST:
            return json_list(file, path.name)
        case Content.EMPTY:
            return iter(())
        case Content.GZIP:
            what = "is packed with gzip twice: unpack it once"
        case Content.PARQUET:
            what = "is a Parquet file in a gzip file: unpack it, Parquet is compressed by itself"
        case str():
            what = f"{packs or 'is '}{content}"
    raise BadData(f"{path.name} {what}", param="data.source")


def _content(file: BinaryIO) -> Content | str:
    """The kind of what the stream holds; nothing is read off it."""
    assert isinstance(file, BufferedReader)
    return content_of(file.peek(BLOCK_BYTES))
