"""What a sweep has left, and whether one waits for another transaction."""

from pathlib import Path
from typing import Any

from sqlalchemy import text

from core import disk, model_registry, retention
from core.db import transaction

STRICT: dict[str, Any] = {"checkpoints": 0, "adapters": False, "merged": "last", "days": 1}
"""Rules that let go whatever may go."""


def removed(model: str) -> bool:
    with transaction() as session:
        return model_registry.get_model(session, model).removed_at is not None


def trashed() -> list[Path]:
    return list(disk.entries(retention.trash()))


def steps(stage_dir: Path) -> set[str]:
    return {path.name for path in stage_dir.rglob("checkpoint-*")}


def mark(job_id: str) -> list[str]:
    with transaction() as session:
        return retention.mark(session, job_id)


def waits_for_a_lock() -> bool:
    with transaction() as session:
        query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        return bool(session.scalar(text(query)))
