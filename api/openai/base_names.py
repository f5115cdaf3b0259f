"""What OpenAI's `model` stands for: the names that a client may train on, and the `base_model` of a job behind each.

The names of TUNESMITH_BASE_MODELS come first: with them, code that names a model of OpenAI's need not be changed.  A
name with a slash is a path or a name of the hub, as in `POST /jobs`, even where an alias is called the same: what it
means must not change with what is deployed.
"""

from collections.abc import Iterable

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from api.openai.models import names
from core.aliases import OF_MODELS
from core.deployments import live_on
from core.errors import InvalidRequest, UnknownBaseModel
from core.models import Model
from core.settings import get_settings
from core.storage import resolve

_NAMED = 20


async def base_model_of(session: AsyncSession, model: str) -> str:
    """The `base_model` of the job that trains on this model."""
    named = get_settings().named_base_models()
    if model in named:
        return named[model]
    if model.startswith(OF_MODELS):
        return await _of_model(session, model, model)
    if "/" in model:
        return model
    live = await session.run_sync(live_on, model)
    if live is None:
        raise await _unknown(session, model)
    return await _of_model(session, live.model_id, model)


async def shown(session: AsyncSession, base_models: Iterable[str]) -> dict[str, str]:
    """How jobs' base models are called: those that are folders of known models by the models' ids."""
    storage = get_settings().storage_path
    places = {name.removeprefix(f"{storage}/"): name for name in base_models if name.startswith("/")}
    if not places:
        return {}
    found = select(Model.location, Model.id).where(or_(*(Model.location == place for place in places)))
    return {places[location]: model_id for location, model_id in await session.execute(found)}


async def _of_model(session: AsyncSession, model_id: str, asked: str) -> str:
    model = await session.get(Model, model_id)
    if model is None:
        raise await _unknown(session, asked)
    if model.removed_at is not None:
        raise InvalidRequest(
            f"model {model_id!r} was removed on {model.removed_at:%Y-%m-%d at %H:%M} UTC: train on another one",
            param="model",
        )
    return model.base_model if model.job_id is None else str(resolve(model.location))


async def _unknown(session: AsyncSession, model: str) -> UnknownBaseModel:
    known = [*get_settings().named_base_models(), *await names(session, _NAMED + 1)]
    more = " and others" if len(known) > _NAMED else ""
    listed = f": {', '.join(known[:_NAMED])}{more}" if known else ", which is none yet"
    return UnknownBaseModel(
        f"model {model!r} is not known here: give a model of the hub as `owner/name`, a folder of the server as ./… or "
        f"/…, or a name that is known{listed}",
        param="model",
    )
