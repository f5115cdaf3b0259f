"""The keys that open the api and the endpoint."""

from datetime import datetime

from sqlalchemy import ForeignKey, Identity, Index, Integer, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base


class Key(Base):
    """A key of a project, or with `project` null of all.  Of its secret there is the SHA-256, and how it begins.

    The secret is 256 random bits, so a plain hash of it cannot be guessed at, and need not be slow.
    """

    __tablename__ = "keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(Identity(always=True), unique=True)
    project: Mapped[str | None] = mapped_column(ForeignKey("projects.name"))
    name: Mapped[str]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    sha256: Mapped[str] = mapped_column(unique=True)
    prefix: Mapped[str]
    requests_per_minute: Mapped[int | None] = mapped_column(Integer)
    tokens_per_minute: Mapped[int | None] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    __table_args__ = (Index("ix_keys_open", "id", postgresql_where=text("revoked_at IS NULL")),)
