"""What a model answered to each row that it was measured on.

Revision: 2026_11_25_answers
Revises: 2026_11_25_parity
"""

from alembic import op
from sqlalchemy import Boolean, Column, ForeignKey, Integer, Text
from sqlalchemy.dialects.postgresql import JSONB

revision = "2026_11_25_answers"
down_revision = "2026_11_25_parity"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "evaluation_answers",
        Column("job_id", Text, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        Column("stage", Text, primary_key=True),
        Column("suite", Text, primary_key=True),
        Column("row", Integer, primary_key=True),
        Column("key", Text, nullable=False),
        Column("kind", Text, nullable=False),
        Column("expects_call", Boolean, nullable=False),
        Column("name_ok", Boolean, nullable=False),
        Column("correct", Boolean, nullable=False),
        Column("malformed", Boolean, nullable=False),
        Column("stopped", Boolean, nullable=False),
        Column("question", Text, nullable=False),
        Column("tools", JSONB, nullable=False),
        Column("expected", JSONB, nullable=False),
        Column("answer", JSONB, nullable=False),
        Column("fault", Text),
    )


def downgrade() -> None:
    op.drop_table("evaluation_answers")
