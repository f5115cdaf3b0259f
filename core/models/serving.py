"""What can be served, and the wishes of what shall be."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Identity, Index, Integer, func, text
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base
from core.states import DeploymentStatus


class Model(Base):
    """A servable model: a base, or the merged model of a job's stage.  `location` is below storage, or absolute.

    With `adapter_rank`, `location/adapter` makes the same model of the weights of `base_id`, as one LoRA adapter.
    `canary` is what a server that has just loaded it must answer (`worker.stages.canary`), `parity` the
    `core.parity.ParityRecord` of whether it is served as it was trained; `gate` is the `core.verdict.Verdict` on it.
    One with `removed_at` has no files any more (`core.retention`), and cannot be deployed.
    A base has no `project`: it is of those that `ModelUse` says.
    """

    __tablename__ = "models"

    id: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(Identity(always=True), unique=True)
    project: Mapped[str | None]
    job_id: Mapped[str | None] = mapped_column(ForeignKey("jobs.id", ondelete="SET NULL"))
    stage: Mapped[str]
    base_model: Mapped[str]
    location: Mapped[str]
    manifest: Mapped[dict[str, Any]]
    base_id: Mapped[str | None]
    adapter_rank: Mapped[int | None] = mapped_column(Integer)
    canary: Mapped[dict[str, Any] | None]
    parity: Mapped[dict[str, Any] | None]
    gate: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    removed_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_models_job", job_id),
        Index("ix_models_kept", seq, postgresql_where=text("removed_at IS NULL")),
    )


class ModelUse(Base):
    """A project that knows a base model, as one of its jobs was made of it: it may see and serve it."""

    __tablename__ = "model_uses"

    project: Mapped[str] = mapped_column(primary_key=True)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), primary_key=True)


class AliasOwner(Base):
    """Whose a public name is: that of the project which deployed it first."""

    __tablename__ = "aliases"

    alias: Mapped[str] = mapped_column(primary_key=True)
    project: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Deployment(Base):
    """A wish that an alias points at a model; the newest one that did not fail is the desired state.

    `project` is the alias's.  `weights_id` is the model whose weights vLLM must hold for it: the model itself, or the
    base of its adapter.  `candidate` says that it is to be measured beside what is live before it is
    (`core.candidates`), `gate` is the `core.verdict.Verdict` by which it is or is not, and `forced` why a person wants
    it whatever that says.  `strategy` and `reason` say how the gateway put it in place and why so, `trial` how it did
    on a share of requests.
    """

    __tablename__ = "deployments"

    id: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(Identity(always=True), unique=True)
    project: Mapped[str] = mapped_column(server_default="default")
    alias: Mapped[str]
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id"))
    job_id: Mapped[str | None] = mapped_column(ForeignKey("jobs.id", ondelete="SET NULL"))
    serve_as: Mapped[str] = mapped_column(server_default="merged")
    weights_id: Mapped[str] = mapped_column(ForeignKey("models.id"))
    drain: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    split: Mapped[dict[str, Any] | None]
    candidate: Mapped[str | None]
    gate: Mapped[dict[str, Any] | None]
    forced: Mapped[str | None]
    rollback_of: Mapped[str | None] = mapped_column(ForeignKey("deployments.id"))
    status: Mapped[DeploymentStatus] = mapped_column(server_default=DeploymentStatus.PENDING)
    strategy: Mapped[str | None]
    reason: Mapped[str | None]
    trial: Mapped[dict[str, Any] | None]
    timings: Mapped[dict[str, Any] | None]
    error: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    live_at: Mapped[datetime | None]

    __table_args__ = (
        Index("uq_deployments_live", "alias", unique=True, postgresql_where=text("status = 'live'")),
        Index(
            "ix_deployments_open",
            "seq",
            postgresql_where=text("status IN ('pending', 'staging', 'swapping', 'candidate', 'trial')"),
        ),
        Index("ix_deployments_model", model_id),
        Index("ix_deployments_weights", weights_id),
        Index("ix_deployments_alias", "alias", "seq"),
        Index("ix_deployments_project", "project", "seq"),
        Index("ix_deployments_history", "alias", "live_at", postgresql_where=text("live_at IS NOT NULL")),
    )


class DeploymentKey(Base):
    """The deployment that an idempotency key got: made by it, or found by it, as several keys can find one."""

    __tablename__ = "deployment_keys"

    project: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    body_sha256: Mapped[str]
    deployment_id: Mapped[str] = mapped_column(ForeignKey("deployments.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
