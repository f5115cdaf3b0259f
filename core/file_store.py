"""Where uploaded files lie: each is there whole or not at all, and equal ones share their bytes.

files/FILE/NAME       an uploaded file, under the name that it came with
incoming/FILE/NAME    one that is being received and checked

Files of a project with the same content are hard links to the same bytes, which go with the last of them.  Whoever
receives a file keeps its folder locked until its row is committed; the kernel drops the lock of a process that died, so
a sweep can tell what nobody works on any more.
"""

import fcntl
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from core.disk import NO_SPACE, capacity, entries
from core.errors import BadData, OutOfSpace
from core.settings import get_settings
from core.storage import fsync

UNLOCKED_S = 60
"""A folder is made a moment before it is locked: one that is younger is nobody's to remove."""
_NAME_BYTES = 200


def files_root() -> Path:
    """Where uploaded files are."""
    return get_settings().storage_path / "files"


def incoming_root() -> Path:
    """Where files are while they are received; on the same disk, as a file is renamed when it is whole."""
    return get_settings().storage_path / "incoming"


def stored_path(root: Path, file_id: str) -> Path:
    """The uploaded file, in its folder below `root`; BadData when it is not there."""
    found = sorted(entries(root / file_id))
    if len(found) != 1:
        raise BadData(
            f"the uploaded file {file_id} is not in the storage ({root}): upload it again", param="data.source"
        )
    return found[0]


def stored_name(filename: str) -> str:
    """The end of the name, without anything that a shell, a terminal or a file system could stumble over."""
    plain = re.sub(r"[^\w.-]+", "_", filename).encode(errors="replace")
    return plain[-_NAME_BYTES:].decode(errors="ignore").lstrip(".-") or "rows.jsonl"


class Incoming:
    """A file that is being received.  At the end of a `with` block, what was not published is gone."""

    def __init__(self, file_id: str) -> None:
        self.file_id = file_id
        self.folder = incoming_root() / file_id
        self.size_bytes = 0
        self.path: Path | None = None
        self._digest = sha256()
        self._file: BinaryIO | None = None
        self._published = False
        with _explained():
            self.folder.mkdir(parents=True)
            self._lock = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._file is not None:
            with suppress(OSError):  # a full disk says so again
                self._file.close()
        if not self._published:
            shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)

    def open(self, filename: str) -> None:
        """Begin to write the file that its sender calls `filename`."""
        self.path = self.folder / stored_name(filename)
        with _explained():
            self._file = self.path.open("xb")

    def write(self, chunk: bytes) -> None:
        """Append to the file; OutOfSpace when the disk is full."""
        assert self._file is not None
        with _explained():
            self._file.write(chunk)
        self._digest.update(chunk)
        self.size_bytes += len(chunk)

    def finish(self) -> str:
        """Have the content survive a loss of power, and return its sha256 in hexadecimal digits."""
        assert self._file is not None
        with _explained():
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        return self._digest.hexdigest()

    def publish(self, twin: str | None) -> None:
        """Move the file to where uploaded files are, with the bytes of its twin, a file of the same content."""
        with _explained():
            if twin is not None:
                self._share_bytes_of(twin)
            fsync(self.folder)
            files_root().mkdir(exist_ok=True)
            self.folder.rename(files_root() / self.file_id)
            # From here on its row decides: if that is not committed after all, a sweep removes the folder.
            self._published = True
            fsync(files_root())

    def _share_bytes_of(self, twin: str) -> None:
        assert self.path is not None
        link = self.folder / ".twin"
        try:
            os.link(stored_path(files_root(), twin), link)
        except (BadData, OSError):  # it was deleted just now, or there can be no (further) link: these bytes do as well
            return
        link.replace(self.path)


@contextmanager
def unattended(folder: Path) -> Iterator[bool]:
    """Whether nobody is working on the folder; and nobody begins to while the block lasts."""
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:  # it has gone, or is no folder, and so none of ours
        yield False
        return
    try:
        yield _locks(lock) and time.time() - os.fstat(lock).st_mtime > UNLOCKED_S
    finally:
        os.close(lock)


def _locks(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _explained() -> Iterator[None]:
    """Say what a full disk means; other faults of the machine go by unchanged."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        storage = get_settings().storage_path
        _, free_bytes = capacity(storage)
        raise OutOfSpace(
            f"the file does not fit on the disk of the storage ({storage}), where {free_bytes:,} bytes are free "
            f"({error.strerror}): free some space, then upload it again"
        ) from None
