"""The order in which test files begin names files that are there."""

from pathlib import Path

from tests.conftest import LONGEST_FIRST

ROOT = Path(__file__).parent.parent


def test_what_begins_first_is_there() -> None:
    assert [path for path in LONGEST_FIRST if not (ROOT / path).exists()] == []
