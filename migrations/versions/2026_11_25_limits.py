"""What a project may have, and how much a key and a project may ask for in a minute.

Revision: 2026_11_25_limits
Revises: 2026_11_25_audit
"""

from alembic import op
from sqlalchemy import BigInteger, Column, Integer

revision = "2026_11_25_limits"
down_revision = "2026_11_25_audit"
branch_labels = None
depends_on = None

RATES = ("requests_per_minute", "tokens_per_minute")


def upgrade() -> None:
    for table in ("keys", "projects"):
        for rate in RATES:
            op.add_column(table, Column(rate, Integer))
    op.add_column("projects", Column("max_queued", Integer))
    for size in ("file_bytes", "storage_bytes"):
        op.add_column("projects", Column(size, BigInteger))


def downgrade() -> None:
    for quota in ("storage_bytes", "file_bytes", "max_queued"):
        op.drop_column("projects", quota)
    for table in ("projects", "keys"):
        for rate in RATES:
            op.drop_column(table, rate)
