"""Aliases: the public names that models are served under, what each serves now, and what it served before that."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, StringConstraints
from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from core.errors import Conflict
from core.models import AliasOwner, Deployment, Model
from core.projects import DEFAULT
from core.settings import get_settings
from core.states import OPEN, DeploymentStatus

OF_MODELS = ("ft:", "base:")
"""What the ids of models begin with.  The endpoint serves those as well, so no alias may look like one."""


def _is_no_model(alias: str) -> str:
    if alias.startswith(OF_MODELS):
        raise ValueError(f"{alias!r} looks like the id of a model: an alias begins with neither `ft:` nor `base:`")
    return alias


Alias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,127}$"), AfterValidator(_is_no_model)]
"""Names of models elsewhere are allowed, as `Qwen/Qwen2.5-3B` and `llama3:8b`: clients have them in their settings."""


def default_of(project: str) -> str:
    """The alias that a project's models are served under when nobody names one."""
    name = get_settings().vllm_model_name
    return name if project == DEFAULT else f"{project}/{name}"


def claim(session: Session, alias: str, project: str | None, otherwise: str) -> str:
    """Whose the alias is, from now on: the project's, if it was nobody's; without a project that of `otherwise`.

    Conflict when it is another's.  The caller holds the alias's lock.  The default alias of a project is that one's.
    """
    owner = session.scalar(select(AliasOwner.project).where(AliasOwner.alias == alias))
    if owner is None:
        owner = _reserved_for(alias) or project or otherwise
        if project in (None, owner):
            session.add(AliasOwner(alias=alias, project=owner))
    if project not in (None, owner):
        raise Conflict(f"alias {alias!r} is taken: choose another one", param="alias")
    return owner


def _reserved_for(alias: str) -> str | None:
    name = get_settings().vllm_model_name
    if alias == name:
        return DEFAULT
    return alias.removesuffix(f"/{name}") if alias.endswith(f"/{name}") else None


@dataclass(frozen=True)
class AliasState:
    """What an alias serves, what a rollback of that would bring back, and the deployment whose turn is next."""

    alias: str
    live: Deployment | None
    previous: Deployment | None
    in_progress: Deployment | None


def every(session: Session) -> list[AliasState]:
    """The aliases that serve something or are about to, by name."""
    wanted = (*OPEN, DeploymentStatus.LIVE)
    query = select(Deployment).where(Deployment.status.in_(wanted)).order_by(Deployment.alias, Deployment.seq)
    by_alias: dict[str, list[Deployment]] = {}
    for deployment in session.scalars(query):
        by_alias.setdefault(deployment.alias, []).append(deployment)
    return [_state(session, alias, deployments) for alias, deployments in by_alias.items()]


def _state(session: Session, alias: str, deployments: list[Deployment]) -> AliasState:
    live = next((one for one in deployments if one.status == DeploymentStatus.LIVE), None)
    in_progress = next((one for one in deployments if one.status in OPEN), None)
    before = None if live is None else served_before(session, live)
    if before is not None and _is_removed(session, before):
        before = None
    return AliasState(alias, live, before, in_progress)


def served_before(session: Session, deployment: Deployment) -> Deployment | None:
    """What the alias served last that was another model than this one, or the same one served in another way."""
    is_other = or_(Deployment.model_id != deployment.model_id, Deployment.serve_as != deployment.serve_as)
    return session.scalar(_served(deployment.alias).where(is_other).limit(1))


def models_of(session: Session, alias: str) -> set[str]:
    """The models, weights included, of what the alias served last and of what a rollback of that would bring back."""
    last = session.scalar(_served(alias).limit(1))
    before = None if last is None else served_before(session, last)
    return {model_id for one in (last, before) if one is not None for model_id in (one.model_id, one.weights_id)}


def _served(alias: str) -> Select[Deployment]:
    query = select(Deployment).where(Deployment.alias == alias, Deployment.live_at.is_not(None))
    query = query.where(Deployment.status != DeploymentStatus.FAILED)  # which its gate has taken down
    return query.order_by(Deployment.live_at.desc(), Deployment.seq.desc())


def _is_removed(session: Session, deployment: Deployment) -> bool:
    needed = Model.id.in_((deployment.model_id, deployment.weights_id))
    return session.scalar(select(Model.id).where(needed, Model.removed_at.is_not(None)).limit(1)) is not None
