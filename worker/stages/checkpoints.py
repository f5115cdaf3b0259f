"""Checkpoints that can be trusted: the trainer's writes are not atomic, so each is marked once it is whole.

The mark holds the size and the SHA-256 of every file, and is written after all of them are on the disk.  A
checkpoint is resumed from only where every file still is what the mark says.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from core.storage import fsync_tree, write_json

_MARK = "COMPLETE"
KEPT = 2
"""So many complete checkpoints are kept: one that turns out to be damaged is skipped for the one before it."""


def mark_complete(checkpoint: Path) -> None:
    """Record every file's size and digest, after the trainer has written all of them."""
    fsync_tree(checkpoint)
    files = {path.name: _entry(path) for path in sorted(checkpoint.iterdir()) if path.is_file() and path.name != _MARK}
    write_json(checkpoint / _MARK, files)


def damage(checkpoint: Path) -> str | None:
    """Why the checkpoint cannot be trusted, or None."""
    try:
        files = json.loads((checkpoint / _MARK).read_bytes())
    except FileNotFoundError:
        return "it was not written to its end"
    except ValueError:
        return f"its {_MARK} cannot be read"
    for name, entry in files.items():
        path = checkpoint / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != entry["size_bytes"]:
            return f"{name} has {path.stat().st_size} bytes instead of {entry['size_bytes']}"
        if _entry(path) != entry:
            return f"the content of {name} has changed"
    return None


def last_complete(folder: Path, skipped: Callable[[Path, str], None] = lambda path, why: None) -> Path | None:
    """The whole checkpoint of the highest step, or None; `skipped` hears of newer ones and what is wrong with them."""
    for path in _newest_first(folder):
        if (why := damage(path)) is None:
            return path
        skipped(path, why)
    return None


def prune(folder: Path, keep: int = KEPT) -> None:
    """Remove the marked checkpoints but for the newest ones."""
    marked = [path for path in _newest_first(folder) if (path / _MARK).exists()]
    for path in marked[keep:]:
        remove(path)


def discard_after(folder: Path, last: Path | None) -> None:
    """Remove what the trainer would write again: every checkpoint newer than the one that is resumed from.

    Removed, not overwritten: a frozen process of an earlier run may still hold these files open.
    """
    for path in _newest_first(folder):
        if path == last:
            return
        remove(path)


def remove(checkpoint: Path) -> None:
    """Delete a checkpoint, its mark first, so that what remains of it is never taken for whole."""
    (checkpoint / _MARK).unlink(missing_ok=True)
    shutil.rmtree(checkpoint, ignore_errors=True)


def step_of(checkpoint: Path) -> int:
    """The optimiser step after which it was saved."""
    return int(checkpoint.name.rpartition("-")[2])


def _newest_first(folder: Path) -> Iterator[Path]:
    found = [path for path in folder.glob("checkpoint-*") if re.fullmatch(r"checkpoint-\d+", path.name)]
    return iter(sorted(found, key=step_of, reverse=True))


def _entry(path: Path) -> dict[str, int | str]:
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return {"size_bytes": path.stat().st_size, "sha256": digest}
