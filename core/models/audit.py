"""What was changed, by whom."""

from datetime import datetime

from sqlalchemy import Identity, Index, func
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base


class AuditEntry(Base):
    """One change, or one that was refused.  It is written in the transaction of the change, and never changed.

    `key` is the id of the key that was used, or the name of the setting that holds it; `thing` the id or the name of
    what was changed; `project` the one that the request was about, and null where it was about all of them.
    """

    __tablename__ = "audit"

    id: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(Identity(always=True), unique=True)
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    project: Mapped[str | None]
    key: Mapped[str]
    action: Mapped[str]
    thing: Mapped[str | None]
    outcome: Mapped[str]
    request_id: Mapped[str]
    address: Mapped[str | None]

    __table_args__ = (Index("ix_audit_project", "project", "seq"), Index("ix_audit_thing", "thing", "seq"))
