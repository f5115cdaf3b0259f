"""Models as OpenAI's API has them: the public names that are served, and every model that can be served, or tuned."""

from typing import Literal, Self

from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from api.schemas.times import unix_seconds
from core import aliases, deployments, model_registry
from core.models import Deployment, Model
from core.states import DeploymentStatus

OWNER = "tunesmith"


class ModelObject(BaseModel):
    """A public name, or a model under its own."""

    id: str
    object: Literal["model"] = "model"
    created: int = Field(description="when the model was made, or the public name began to serve what it serves")
    owned_by: str = Field(description="the project whose job made it")
    serves: str | None = Field(None, description="of a public name: the model behind it; null for a model")
    live: bool = Field(description="whether the endpoint answers to this name now")

    @classmethod
    def of_alias(cls, live: Deployment) -> Self:
        created = unix_seconds(live.live_at or live.created_at)
        return cls(id=live.alias, created=created, owned_by=OWNER, serves=live.model_id, live=True)

    @classmethod
    def of_model(cls, model: Model, live: set[str]) -> Self:
        owner = OWNER if model.job_id is None else model.project or OWNER
        return cls(id=model.id, created=unix_seconds(model.created_at), owned_by=owner, live=model.id in live)


class ModelDeleted(BaseModel):
    id: str
    object: Literal["model"] = "model"
    deleted: Literal[True] = True


async def listing(session: AsyncSession) -> list[ModelObject]:
    """The public names, then the models that are there, the newest first."""
    served = await session.run_sync(aliases.every)
    live = {state.live.model_id for state in served if state.live is not None}
    models = await session.scalars(select(Model).where(Model.removed_at.is_(None)).order_by(Model.seq.desc()))
    named = [ModelObject.of_alias(state.live) for state in served if state.live is not None]
    return [*named, *(ModelObject.of_model(model, live) for model in models)]


async def found(session: AsyncSession, name: str) -> ModelObject:
    """The public name or the model, or NotFound; a model that was removed is not there any more."""
    model = await session.get(Model, name)
    if model is not None and model.removed_at is None:
        is_live = Deployment.status == DeploymentStatus.LIVE
        live = await session.scalars(select(Deployment.model_id).where(is_live, Deployment.model_id == name))
        return ModelObject.of_model(model, set(live))
    deployment = await session.run_sync(deployments.live_on, name)
    if deployment is None:
        raise model_registry.no_model(name)
    return ModelObject.of_alias(deployment)


async def names(session: AsyncSession, limit: int) -> list[str]:
    """Up to `limit` names that can be trained on: public names, then base models, then tuned ones, the newest first."""
    served = await session.run_sync(aliases.every)
    models = select(Model.id).where(Model.removed_at.is_(None))
    models = models.order_by(Model.job_id.is_(None).desc(), Model.seq.desc()).limit(limit)
    public = [state.alias for state in served if state.live is not None and "/" not in state.alias]
    return [*public, *await session.scalars(models)][:limit]
