"""One running system for the tests of a module."""

from collections.abc import Iterator

import pytest

from tests.e2e.system import RunningSystem


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """Started, with short leases so that a lost worker is noticed soon."""
    home = tmp_path_factory.mktemp("system")
    running = RunningSystem(home, TUNESMITH_LEASE_S="6", TUNESMITH_REAP_EVERY_S="1", TUNESMITH_HEARTBEAT_S="1")
    running.start()
    yield running
    running.stop()
