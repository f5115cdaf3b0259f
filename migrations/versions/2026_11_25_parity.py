"""Whether a model is served as it was trained.

Revision: 2026_11_25_parity
Revises: 2026_11_25_preflights
"""

from alembic import op
from sqlalchemy import Column
from sqlalchemy.dialects.postgresql import JSONB

revision = "2026_11_25_parity"
down_revision = "2026_11_25_preflights"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("models", Column("parity", JSONB))


def downgrade() -> None:
    op.drop_column("models", "parity")
