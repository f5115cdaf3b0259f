"""Runs the migrations in one transaction, one process at a time.

Without the advisory lock two of four concurrent `alembic upgrade head` failed: each saw no version table.
"""

from alembic import context
from sqlalchemy import Connection, text

from core.db import new_engine
from core.models import Base
from core.settings import get_settings

LOCK_KEY = 7_305_017_246
"""Names the migrations among this database's advisory locks; any number that nothing else uses."""


def lock(connection: Connection) -> None:
    """Wait for a migration under way elsewhere, then bound how long a table's lock may hold up its users."""
    connection.execute(text("SET LOCAL lock_timeout = '120s'"))
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
    connection.execute(text("SET LOCAL lock_timeout = '5s'"))


def migrate() -> None:
    """Bring the database of DATABASE_URL to the revision that the command asked for."""
    engine = new_engine(get_settings().database_url)
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=Base.metadata)
        with context.begin_transaction():
            lock(connection)
            context.run_migrations()
    engine.dispose()


if context.is_offline_mode():
    raise SystemExit("--sql is not supported: run `alembic upgrade head` against the database itself")
migrate()
