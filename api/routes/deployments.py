"""Deployments: which model the endpoint serves under which name.  The gateway carries them out."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Response
from sqlalchemy.orm import Session

from api.access import Caller, CallerDep
from api.deps import AfterId, IdempotencyKey, Limit, SessionDep
from api.examples import DEPLOYMENT_EXAMPLES
from api.queries import newest
from api.schemas.deployments import AliasView, DeploymentRequest, DeploymentView
from api.schemas.errors import ErrorBody
from api.schemas.lists import Listing, Page
from core import aliases, deployments, gate_rows, idempotency, model_registry, rollback
from core.errors import Conflict
from core.models import Deployment
from core.spec import DeploySpec
from core.states import DeploymentStatus

router = APIRouter(tags=["deployments"])


@router.get("/deployments")
async def list_deployments(
    session: SessionDep,
    after: AfterId = None,
    limit: Limit = 20,
    alias: Annotated[str | None, Query(description="only those of this public name: its history")] = None,
    status: Annotated[DeploymentStatus | None, Query(description="only those in this state")] = None,
    model: Annotated[str | None, Query(description="only those of this model")] = None,
) -> Page[DeploymentView]:
    """The newest first."""
    filters = ((Deployment.alias, alias), (Deployment.status, status), (Deployment.model_id, model))
    only = [column == value for column, value in filters if value is not None]
    rows = await newest(session, Deployment, after, limit + 1, *only)
    places = await session.run_sync(deployments.places)
    return Page.of([DeploymentView.of(row, places) for row in rows], limit)


@router.get("/deployments/{deployment_id}", responses={404: {"model": ErrorBody}})
async def get_deployment(deployment_id: str, session: SessionDep) -> DeploymentView:
    return await session.run_sync(lambda sync: _view(sync, deployments.get(sync, deployment_id)))


@router.post(
    "/deployments",
    status_code=201,
    responses={
        200: {"model": DeploymentView, "description": "The same is live or on its way already, or the key was used"},
        404: {"model": ErrorBody, "description": "No such model"},
        409: {
            "model": ErrorBody,
            "description": "The model was removed or has no adapter; nothing to split with; `gate_failed`",
        },
    },
)
async def create_deployment(
    body: Annotated[DeploymentRequest, Body(openapi_examples=DEPLOYMENT_EXAMPLES)],
    caller: CallerDep,
    session: SessionDep,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> DeploymentView:
    """Ask for the endpoint to serve a model.

    A model whose gate has failed, or fails the one that is given here, is refused unless `force` says why it is wanted
    all the same.  Asking again for the same model under the same alias, served in the same way, changes nothing,
    whatever the drain and the split.  Deployments are carried out one at a time, in the order of the requests.
    """
    view, is_new = await session.run_sync(_create, caller, body, idempotency_key)
    if is_new:
        caller.changed = view.id
    else:
        response.status_code = 200
    return view


CONFLICT: dict[str, Any] = {
    "model": ErrorBody,
    "description": "`conflict`: it is not what is served, or there is nothing to go back to; `still_swapping`: ask "
    "again in a moment",
}


@router.post(
    "/deployments/{deployment_id}/rollback",
    responses={
        201: {"model": DeploymentView, "description": "The new deployment of what was served before"},
        404: {"model": ErrorBody},
        409: CONFLICT,
    },
)
async def roll_back(deployment_id: str, session: SessionDep, response: Response) -> DeploymentView:
    """Take a deployment back: asking twice is fine, so it needs no Idempotency-Key.

    Of one that is live, the answer is a new deployment of what its alias served before.  One that waits or is being
    staged is withdrawn, and a trial ends in favour of the old model: the answer is the deployment itself.
    """
    view, is_new = await session.run_sync(_roll_back, deployment_id)
    if is_new:
        response.status_code = 201
    return view


@router.get("/aliases")
async def list_aliases(session: SessionDep) -> Listing[AliasView]:
    """The public names that serve something or are about to; `GET /deployments?alias=` has the history of one."""
    return Listing(data=await session.run_sync(_aliases))


def _create(session: Session, caller: Caller, body: DeploymentRequest, key: str | None) -> tuple[DeploymentView, bool]:
    body_sha256 = idempotency.digest(body)
    if key is not None and (first := idempotency.deployment_of(session, caller.project, key, body_sha256)) is not None:
        return _view(session, deployments.get(session, first)), False
    alias = body.alias or aliases.default_of(caller.project)
    how = DeploySpec(serve_as=body.serve_as, drain=body.drain, split=body.split)
    model_registry.get_model(session, body.model)  # one of another project is not there, whatever its gate
    gate = gate_rows.allowed(session, body.model, alias, body.gate, body.force)
    deployment, is_new = deployments.ask(
        session, alias, body.model, how=how, gate=gate, forced=body.force, project=caller.within
    )
    if is_new and body.split is not None and deployments.live_on(session, alias) is None:
        raise Conflict(
            f"nothing is live on alias {alias!r}, so its requests cannot be split: leave out `split`, or deploy a "
            "first model",
            param="split",
        )
    if key is not None:
        idempotency.remember(session, caller.project, key, body_sha256, deployment.id)
    return _view(session, deployment), is_new


def _roll_back(session: Session, deployment_id: str) -> tuple[DeploymentView, bool]:
    deployment, is_new = rollback.roll_back(session, deployment_id)
    return _view(session, deployment), is_new


def _aliases(session: Session) -> list[AliasView]:
    places = deployments.places(session)
    return [AliasView.of(state, places) for state in aliases.every(session)]


def _view(session: Session, deployment: Deployment) -> DeploymentView:
    return DeploymentView.of(deployment, deployments.places(session))
