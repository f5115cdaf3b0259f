"""A gzip file as a stream of what it holds, up to a limit: a zip bomb is refused before it costs more than seconds."""

import gzip
import io
import zlib
from pathlib import Path
from typing import BinaryIO

from core.errors import BadData
from core.rows.limits import UNPACKED_BYTES, UNPACKED_FREE_BYTES, UNPACKED_RATIO


class _Unpacked(io.RawIOBase):
    """Reads from the gzip file and counts; BadData when it is broken, or holds too much."""

    def __init__(self, packed: BinaryIO, path: Path) -> None:
        self._stream = gzip.GzipFile(fileobj=packed)
        self._name, self._read_bytes = path.name, 0
        self._most_bytes = min(UNPACKED_BYTES, max(UNPACKED_FREE_BYTES, UNPACKED_RATIO * path.stat().st_size))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            block = self._stream.read(len(buffer))
        except (OSError, EOFError, zlib.error) as error:
            problem = f"{self._name} is a broken gzip file ({error}): pack it again"
            raise BadData(problem, param="data.source") from None
        self._read_bytes += len(block)
        if self._read_bytes > self._most_bytes:
            raise BadData(
                f"{self._name} unpacks to more than {self._most_bytes:,} bytes, which is the limit for its size "
                f"(at most {UNPACKED_RATIO} times the packed size, and {UNPACKED_BYTES:,}): give it unpacked",
                param="data.source",
            )
        buffer[: len(block)] = block
        return len(block)


def unpacked(packed: BinaryIO, path: Path) -> BinaryIO:
    """What the gzip file holds, as a buffered stream."""
    return io.BufferedReader(_Unpacked(packed, path))
