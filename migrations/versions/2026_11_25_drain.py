"""How a deployment waits for the answers under way is called its drain.

Revision: 2026_11_25_drain
Revises: 2026_11_25_answers
"""

from alembic import op

revision = "2026_11_25_drain"
down_revision = "2026_11_25_answers"
branch_labels = None
depends_on = None

# The longest wait has the name of its setting, TUNESMITH_DRAIN_TIMEOUT_S.
RENAMED = "({old} - '{old_wait}') || jsonb_build_object('{new_wait}', {old} -> '{old_wait}')"


def upgrade() -> None:
    _rename("gate", "drain_s", "drain", "timeout_s")


def downgrade() -> None:
    _rename("drain", "timeout_s", "gate", "drain_s")


def _rename(old: str, old_wait: str, new: str, new_wait: str) -> None:
    """In the deployments, and in the specs of the jobs that ask for them."""
    op.alter_column("deployments", old, new_column_name=new)
    waits = RENAMED.format(old=new, old_wait=old_wait, new_wait=new_wait)
    op.execute(f"UPDATE deployments SET {new} = {waits} WHERE {new} ? '{old_wait}'")
    for table in ("jobs", "preflights"):
        wish = f"spec -> 'deploy' -> '{old}'"
        waits = RENAMED.format(old=f"({wish})", old_wait=old_wait, new_wait=new_wait)
        op.execute(
            f"UPDATE {table} SET spec = jsonb_set(spec #- '{{deploy,{old}}}', '{{deploy,{new}}}', {waits}) "
            f"WHERE {wish} IS NOT NULL"
        )
