"""How much of a disk is used, by what; and removing folders so that no half of one is ever taken for the whole.

Sizes are the lengths of the files, links not followed.  Whatever is deleted while it is measured counts as gone.
"""

import errno
import logging
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

log = logging.getLogger(__name__)
NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What a full disk, a used-up quota and a limit on a file's size say."""


def entries(folder: Path) -> Iterator[Path]:
    """What is in the folder, in no order and never all in memory; nothing when there is no such folder."""
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as found:
        for entry in found:
            yield Path(entry.path)


def size_bytes(path: Path | os.DirEntry[str]) -> int:
    """Length of the file, or of all the files below the folder; memory grows with the depth alone."""
    try:
        if path.is_symlink() or not path.is_dir():
            return os.lstat(path).st_size
        with os.scandir(path) as found:
            return sum(size_bytes(entry) for entry in found)
    except (FileNotFoundError, NotADirectoryError):
        return 0


def unshared_bytes(folder: Path) -> int:
    """Length of all the files below the folder, those with several names (hard links) counted once."""
    seen: set[tuple[int, int]] = set()

    def measured(path: Path) -> int:
        found = os.lstat(path)
        if found.st_nlink > 1:
            if (found.st_dev, found.st_ino) in seen:
                return 0
            seen.add((found.st_dev, found.st_ino))
        return found.st_size

    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += measured(Path(where, name))
    return total


def capacity(folder: Path) -> tuple[int, int]:
    """Total and free bytes of the disk that holds the folder, or will once it is made."""
    while not folder.exists():
        folder = folder.parent
    usage = shutil.disk_usage(folder)
    return usage.total, usage.free


def discard(path: Path, trash: Path) -> Path | None:
    """Rename the folder into the trash, which is on the same disk, and return its new path; None when it is gone."""
    trash.mkdir(parents=True, exist_ok=True)
    try:
        return path.rename(trash / f"{path.name}.{uuid4().hex}")
    except FileNotFoundError:
        return None


def delete(discarded: Iterable[Path]) -> None:
    """Delete folders in the trash; another process may be at it too, and what cannot be deleted is logged."""
    for path in discarded:
        shutil.rmtree(path, ignore_errors=True)
        if path.exists():
            log.warning("trash.not_deleted path=%s", path)
