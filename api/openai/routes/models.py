"""Models: `client.models` of OpenAI's SDK.  Whoever may ask a model something may list them; the admin key deletes."""

from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Path

from api.access import CallerDep
from api.changes import changing
from api.db import transaction
from api.deps import SessionDep
from api.openai import models
from api.openai.models import ModelDeleted, ModelObject
from api.schemas.errors import ErrorBody
from api.schemas.lists import Listing
from core import model_registry, retention

router = APIRouter(prefix="/models", tags=["openai: models"])
removal = APIRouter(prefix="/models", tags=["openai: models"])
ABSENT: dict[int | str, dict[str, Any]] = {404: {"model": ErrorBody, "description": "No such model"}}
Name = Annotated[str, Path(max_length=500, description="id of a model, or a public name; it may hold slashes")]


@router.get("")
async def list_models(session: SessionDep) -> Listing[ModelObject]:
    """Every name that is served, and every model that could be."""
    return Listing(data=await models.listing(session))


@router.get("/{model:path}", responses=ABSENT)
async def retrieve(model: Name, session: SessionDep) -> ModelObject:
    return await models.found(session, model)


@removal.delete("/{model:path}", responses={**ABSENT, 409: {"model": ErrorBody, "description": "It is needed"}})
async def delete(model: Name, caller: CallerDep) -> ModelDeleted:
    """Remove a tuned model's files, unless it is live, about to be, or needed for a rollback or by a job."""
    async with transaction(caller.within) as session:
        await session.run_sync(model_registry.get_model, model)
    # What needs the model is looked for everywhere: it may be served under a name of another project's.
    async with changing(caller, None) as session:
        job_id = await session.run_sync(retention.remove, model)
    await anyio.to_thread.run_sync(retention.collect_now, job_id)
    return ModelDeleted(id=model)
