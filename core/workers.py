"""Workers showing themselves, and being forgotten once they are gone.

A Session is a transaction that the caller commits.
"""

from datetime import timedelta

from sqlalchemy import delete, func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.machine import Device
from core.models import Worker

SHOWN_EVERY_S = 15.0
_FORGOTTEN_AFTER = timedelta(hours=1)


def show(session: Session, name: str, device: Device) -> int:
    """Note that the worker is there, and return how many jobs it has claimed."""
    values = {"memory_bytes": device.memory_bytes, "device": device.name}
    statement = insert(Worker).values(name=name, **values)
    statement = statement.on_conflict_do_update(index_elements=["name"], set_={**values, "seen_at": func.now()})
    claims: int = session.execute(statement.returning(Worker.claims)).scalar_one()
    return claims


def forget_gone(session: Session) -> None:
    """Remove the workers that have not shown themselves for long."""
    session.execute(delete(Worker).where(Worker.seen_at < func.now() - _FORGOTTEN_AFTER))
