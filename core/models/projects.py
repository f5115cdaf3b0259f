"""Whose jobs run, and the workers that run them."""

from datetime import datetime

from sqlalchemy import Integer, func
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base


class Project(Base):
    """Whose jobs share the workers fairly, and within which limits; null means without limit."""

    __tablename__ = "projects"

    name: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    weight: Mapped[float] = mapped_column(server_default="1")
    max_running: Mapped[int | None] = mapped_column(Integer)
    gpu_hours: Mapped[float | None]
    max_queued: Mapped[int | None] = mapped_column(Integer)
    file_bytes: Mapped[int | None]
    storage_bytes: Mapped[int | None]
    requests_per_minute: Mapped[int | None] = mapped_column(Integer)
    tokens_per_minute: Mapped[int | None] = mapped_column(Integer)
    used_s: Mapped[float] = mapped_column(server_default="0")
    last_claim_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Worker(Base):
    """A worker process as it last showed itself."""

    __tablename__ = "workers"

    name: Mapped[str] = mapped_column(primary_key=True)
    memory_bytes: Mapped[int]
    device: Mapped[str]
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    job_id: Mapped[str | None]
