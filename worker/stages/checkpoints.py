"""Checkpoints that can be trusted: the trainer's writes are not atomic, so each is marked once it is whole."""

import json
import re
from pathlib import Path

from core.storage import write_json

_MARK = "COMPLETE"


def mark_complete(checkpoint: Path) -> None:
    """Record every file's size, after the trainer has written all of them."""
    sizes = {p.name: p.stat().st_size for p in sorted(checkpoint.iterdir()) if p.is_file() and p.name != _MARK}
    write_json(checkpoint / _MARK, sizes)


def is_complete(checkpoint: Path) -> bool:
    """Whether the mark is there and every file still has the size that it names."""
    try:
        sizes = json.loads((checkpoint / _MARK).read_bytes())
        return all((checkpoint / name).stat().st_size == size for name, size in sizes.items())
    except (FileNotFoundError, json.JSONDecodeError):
        return False


def last_complete(folder: Path) -> Path | None:
    """The complete checkpoint of the highest step, or None."""
    found = [(int(m[1]), path) for path in folder.glob("checkpoint-*") if (m := re.search(r"-(\d+)$", path.name))]
    return next((path for _, path in sorted(found, reverse=True) if is_complete(path)), None)
