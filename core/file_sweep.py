"""Removes what uploads leave behind: of a process that died, and of files that were deleted.

Only folders that nobody works on are touched, and a folder that looks like one of these is judged by its row again once
nobody can begin to work on it: a row that is committed meanwhile keeps its folder.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from core import disk, files
from core.db import transaction
from core.file_store import files_root, incoming_root, unattended
from core.retention import trash

_BATCH = 500


def sweep() -> None:
    """Remove every upload that ended without a file, and the bytes of every file that is not there any more."""
    for folder in disk.entries(incoming_root()):
        with unattended(folder) as is_left:
            if is_left:
                disk.discard(folder, trash())
    for folders in _batches(disk.entries(files_root())):
        with transaction() as session:
            there = files.there(session, [folder.name for folder in folders])
        for folder in folders:
            if folder.name not in there:
                _remove(folder)
    disk.delete(disk.entries(trash()))


def remove(file_id: str) -> None:
    """Remove the bytes of a file that was deleted."""
    if (discarded := disk.discard(files_root() / file_id, trash())) is not None:
        disk.delete([discarded])


def _remove(folder: Path) -> None:
    with unattended(folder) as is_left:
        if not is_left:
            return
        with transaction() as session:
            if files.there(session, [folder.name]):
                return
        disk.discard(folder, trash())


def _batches(folders: Iterator[Path]) -> Iterator[list[Path]]:
    while batch := list(islice(folders, _BATCH)):
        yield batch
