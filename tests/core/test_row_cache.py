"""The cache of tokenised rows keeps to its size: what was used longest ago goes first."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import disk, retention, row_cache
from core.row_cache import GIB, sweep
from tests.conftest import Services

HOUR_S = 3600


@pytest.fixture
def cache(database: Services) -> Iterator[Path]:
    """The cache's folder, empty before and after."""
    folder = row_cache.folder()
    assert folder is not None
    folder.mkdir(parents=True, exist_ok=True)
    _empty(folder)
    yield folder
    _empty(folder)


def _empty(folder: Path) -> None:
    for entry in [*disk.entries(folder), *disk.entries(retention.trash())]:
        disk.delete([entry])


def entry(cache: Path, name: str, size_bytes: int, used_ago_s: float) -> None:
    """An entry whose rows take so many bytes, though none on the disk."""
    (cache / name).mkdir()
    with (cache / name / "rows.arrow").open("wb") as file:
        file.truncate(size_bytes)
    os.utime(cache / name, (time.time() - used_ago_s,) * 2)


def test_what_was_used_longest_ago_goes_first(cache: Path) -> None:
    for name, hours in (("a", 3), ("b", 1), ("c", 2)):
        entry(cache, name, 8 * GIB, hours * HOUR_S)  # 24 of 20 GiB
    sweep(retention.trash())
    assert sorted(path.name for path in cache.iterdir()) == ["b", "c"]


def test_an_entry_larger_than_the_whole_cache_goes(cache: Path) -> None:
    entry(cache, "a", 21 * GIB, 0)
    sweep(retention.trash())
    assert not list(cache.iterdir())


def test_what_is_being_written_stays_unless_its_writer_must_be_gone(cache: Path) -> None:
    entry(cache, ".new.1.tmp", 21 * GIB, HOUR_S)
    entry(cache, ".old.2.tmp", 1, 25 * HOUR_S)
    sweep(retention.trash())
    assert [path.name for path in cache.iterdir()] == [".new.1.tmp"]
