"""Workers showing themselves, and being forgotten once they are gone.

A Session is a transaction that the caller commits.
"""

from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.machine import Device
from core.models import Worker

SHOWN_EVERY_S = 15.0
ALIVE_FOR = timedelta(seconds=60)
_FORGOTTEN_AFTER = timedelta(hours=1)


def show(session: Session, name: str, device: Device) -> None:
    """Note that the worker is there."""
    values = {"memory_bytes": device.memory_bytes, "device": device.name}
    statement = insert(Worker).values(name=name, **values)
    session.execute(statement.on_conflict_do_update(index_elements=["name"], set_={**values, "seen_at": func.now()}))


def alive(session: Session) -> list[Worker]:
    """The workers that have shown themselves lately."""
    return list(session.scalars(select(Worker).where(Worker.seen_at > func.now() - ALIVE_FOR)))


def forget_gone(session: Session) -> None:
    """Remove the workers that have not shown themselves for long."""
    session.execute(delete(Worker).where(Worker.seen_at < func.now() - _FORGOTTEN_AFTER))
