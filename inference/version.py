"""A version of a model that can be served: where its weights lie, and what a server of it must answer."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from core import storage
from core.candidates import is_accepted
from core.deployments import Candidacy
from core.errors import CheckpointRefused
from core.models import Deployment, Model
from core.projects import DEFAULT
from core.settings import get_settings
from core.spec import DrainSpec, SplitSpec
from core.states import DeploymentStatus


@dataclass(frozen=True)
class Version:
    """A merged model or a base, or with `adapter` one that is made of the weights of another.

    `made` and `weights_made` tell a model from one that a retried job made anew under the same name.
    """

    model_id: str
    weights_id: str
    weights: Path
    made: datetime
    weights_made: datetime
    adapter: Path | None = None
    adapter_rank: int | None = None
    canary: dict[str, Any] | None = None
    made_by: tuple[str, str] | None = None
    """The job and the stage that made it, whose rows it must be served like; None for a base."""
    since_s: int = 0
    """Unix seconds."""
    project: str = DEFAULT
    """Whose keys it answers, besides those of all projects."""

    def shares_weights(self, other: "Version") -> bool:
        """Whether one vLLM can serve both at once."""
        return (self.weights_id, self.weights_made) == (other.weights_id, other.weights_made)

    def is_same(self, other: "Version") -> bool:
        """Whether both are the same model, served in the same way."""
        mine, theirs = ((each.model_id, each.made, each.adapter is None) for each in (self, other))
        return mine == theirs and self.shares_weights(other)


@dataclass(frozen=True)
class Wish:
    """A deployment that the gateway is to carry out."""

    deployment_id: str
    alias: str
    version: Version
    drain: DrainSpec
    split: SplitSpec | None
    candidate: Candidacy | None = None
    """How it is measured beside what is live; None once that was done, or if nobody asks for it."""

    @property
    def is_simple(self) -> bool:
        """Whether nothing but the new weights is needed: no others beside them."""
        return self.version.adapter is None and self.split is None and self.candidate is None


def wish_of(session: Session, deployment: Deployment, model: Model) -> Wish:
    """The deployment as the gateway needs it."""
    return Wish(
        deployment.id,
        deployment.alias,
        version_of(session, deployment, model),
        DrainSpec.model_validate(deployment.drain),
        SplitSpec.model_validate(deployment.split) if deployment.split else None,
        None if is_accepted(deployment) else cast("Candidacy | None", deployment.candidate),
    )


def version_of(session: Session, deployment: Deployment, model: Model) -> Version:
    """What the deployment serves; CheckpointRefused when a folder is not where its row says."""
    since_s = int((deployment.live_at or deployment.created_at).timestamp())
    made_by = (model.job_id, model.stage) if model.job_id else None
    if deployment.serve_as == "merged":
        folder, made = _folder(model.location), model.created_at
        return Version(
            model.id,
            model.id,
            folder,
            made,
            made,
            canary=model.canary,
            made_by=made_by,
            since_s=since_s,
            project=deployment.project,
        )
    base = session.get_one(Model, deployment.weights_id)
    return Version(
        model.id,
        base.id,
        _folder(base.location),
        model.created_at,
        base.created_at,
        _folder(model.location) / "adapter",
        model.adapter_rank,
        model.canary,
        made_by,
        since_s,
        deployment.project,
    )


def live_versions(session: Session) -> dict[str, Version]:
    """By alias, what must be served: every live deployment of the weights that went live last."""
    model = aliased(Model)
    query = select(Deployment, model).join(model, model.id == Deployment.model_id)
    query = query.where(Deployment.status == DeploymentStatus.LIVE).order_by(Deployment.live_at.desc())
    found = {deployment.alias: version_of(session, deployment, row) for deployment, row in session.execute(query)}
    newest = next(iter(found.values()), None)
    return {alias: version for alias, version in found.items() if newest and version.weights_id == newest.weights_id}


def _folder(location: str) -> Path:
    """The model's folder; one below the storage must not be a link that leads out of it."""
    folder = storage.resolve(location)
    root = get_settings().storage_path.resolve()
    if not Path(location).is_absolute() and not folder.resolve().is_relative_to(root):
        message = f"{folder} is a link to {folder.resolve()}, outside of the storage: copy the model there"
        raise CheckpointRefused(message)
    return folder
