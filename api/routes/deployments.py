"""Deployments: which model the endpoint serves.  The gateway carries them out."""

from fastapi import APIRouter, Response
from sqlalchemy.orm import Session

from api.deps import AfterId, Limit, SessionDep
from api.queries import newest
from api.schemas.deployments import DeploymentRequest, DeploymentView
from api.schemas.errors import ErrorBody
from api.schemas.lists import Page
from core import deployments
from core.models import Deployment
from core.settings import get_settings

router = APIRouter(prefix="/deployments", tags=["deployments"])


@router.get("")
async def list_deployments(session: SessionDep, after: AfterId = None, limit: Limit = 20) -> Page[DeploymentView]:
    """The newest first."""
    rows = await newest(session, Deployment, after, limit + 1)
    return Page.of([DeploymentView.of(row) for row in rows], limit)


@router.get("/{deployment_id}", responses={404: {"model": ErrorBody}})
async def get_deployment(deployment_id: str, session: SessionDep) -> DeploymentView:
    return DeploymentView.of(await session.run_sync(deployments.get, deployment_id))


@router.post(
    "",
    status_code=201,
    responses={
        200: {"model": DeploymentView, "description": "The model is live or on its way already"},
        404: {"model": ErrorBody, "description": "No such model"},
        409: {"model": ErrorBody, "description": "The model was removed"},
    },
)
async def create_deployment(body: DeploymentRequest, session: SessionDep, response: Response) -> DeploymentView:
    """Ask for the endpoint to serve a model.  Asking again for the same one changes nothing."""
    deployment, is_new = await session.run_sync(_request, body.model)
    if not is_new:
        response.status_code = 200
    return DeploymentView.of(deployment)


def _request(session: Session, model_id: str) -> tuple[Deployment, bool]:
    alias = get_settings().vllm_model_name
    before = deployments.desired(session, alias)
    deployment = deployments.request(session, alias, model_id)
    return deployment, before is None or before.id != deployment.id
