"""A migration that fails says why; that they work is shown in tests/core/test_migrations.py."""

import pytest

from cli.migrate import run_alembic
from cli.supervisor import ChildFailed
from tests.conftest import Services


def test_a_failed_migration_shows_what_alembic_said(services: Services) -> None:
    with pytest.raises(ChildFailed, match="no-such-revision"):
        run_alembic(services.env, "upgrade", "no-such-revision")
