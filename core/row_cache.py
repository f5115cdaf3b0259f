"""Where tokenised rows are kept, and how many bytes of them: what was used last stays longest.

`STORAGE/cache/rows/KEY/` holds `rows.arrow` and `prepare.json`; the key is a digest of all that they were made of
(`worker/stages/row_cache.py`).  A run directory has a hard link to the file, so nothing breaks when the entry goes.
"""

import time
from pathlib import Path

from core import disk
from core.settings import get_settings

GIB = 1024**3
_ABANDONED_S = 24 * 3600
"""An entry that has been written for so long belongs to a program that was killed."""


def folder() -> Path | None:
    """The cache's folder; None where it is switched off."""
    settings = get_settings()
    return settings.storage_path / "cache" / "rows" if settings.row_cache_gb else None


def sweep(trash: Path) -> None:
    """Rename into the trash what was used longest ago, until the rest is within TUNESMITH_ROW_CACHE_GB."""
    settings = get_settings()
    entries = []
    for entry in disk.entries(settings.storage_path / "cache" / "rows"):
        try:
            entries.append((entry.stat().st_mtime, disk.size_bytes(entry), entry))
        except FileNotFoundError:  # replaced or removed by somebody else meanwhile
            continue
    left = settings.row_cache_gb * GIB
    for used_at, size_bytes, entry in sorted(entries, reverse=True):
        is_unfinished = entry.name.startswith(".")
        left -= size_bytes
        if time.time() - used_at > _ABANDONED_S if is_unfinished else left < 0:
            disk.discard(entry, trash)
