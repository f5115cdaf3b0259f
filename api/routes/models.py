"""Models: what there is to deploy."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.deps import AfterId, Limit, SessionDep
from api.queries import model_scores, newest
from api.schemas.errors import ErrorBody
from api.schemas.lists import Page
from api.schemas.models import ModelView
from core import model_registry
from core.manifest import Manifest
from core.model_card import card
from core.models import Model
from core.scorecard.build import EXAMPLES, compare_by_id
from core.scorecard.card import Comparison

router = APIRouter(prefix="/models", tags=["models"])


@router.get("")
async def list_models(session: SessionDep, after: AfterId = None, limit: Limit = 20) -> Page[ModelView]:
    """What can be deployed, the newest first: the base models in use, and what jobs made and was not removed."""
    rows = await newest(session, Model, after, limit + 1, Model.removed_at.is_(None))
    return Page.of([ModelView.of(row) for row in rows], limit)


@router.get("/{model_id}/compare/{older_id}", responses={404: {"model": ErrorBody}})
async def compare_models(
    model_id: str,
    older_id: str,
    session: SessionDep,
    examples: Annotated[int, Query(ge=0, le=100, description="rows won, and lost, shown of each suite")] = EXAMPLES,
) -> Comparison:
    """A model against another one, row by row, on what both were measured on, in whichever jobs."""
    return await session.run_sync(compare_by_id, older_id, model_id, examples)


@router.get("/{model_id}", responses={404: {"model": ErrorBody}})
async def get_model(model_id: str, session: SessionDep) -> ModelView:
    """A model, and one that was removed too: `removed_at` says when its files went."""
    return ModelView.of(await session.run_sync(model_registry.get_model, model_id))


@router.get("/{model_id}/manifest", responses={404: {"model": ErrorBody}})
async def get_manifest(model_id: str, session: SessionDep) -> Manifest:
    """What the model was made of and with, down to the digest of every file; of a model that was removed, too."""
    return await session.run_sync(model_registry.manifest_of, model_id)


@router.get(
    "/{model_id}/card",
    response_class=Response,  # of no type, so that errors are documented as the JSON that they are
    responses={200: {"content": {"text/markdown": {}}}, 404: {"model": ErrorBody}},
)
async def get_card(model_id: str, session: SessionDep) -> Response:
    """The model card, with the scores that there are by now: the `README.md` beside the model."""
    manifest = await session.run_sync(model_registry.manifest_of, model_id)
    text = card(manifest, await model_scores(session, model_id))
    return Response(text, media_type="text/markdown; charset=utf-8")
