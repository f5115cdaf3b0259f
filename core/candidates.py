"""Models that are measured beside what is live: what becomes of one when its gate has decided.

A candidate answers under its own name only.  The gateway loads it and waits for the verdict in its row; it does not
judge.  Where nothing was live or there is no room for two, a model is measured live, and taken down when it fails.
"""

from sqlalchemy.orm import Session

from core import deployments, rollback
from core.errors import Conflict
from core.models import Deployment
from core.states import DeploymentStatus
from core.verdict import Verdict


def accept(session: Session, deployment_id: str, verdict: Verdict) -> None:
    """Let the gateway make the candidate live.  Conflict when it was withdrawn meanwhile."""
    deployment = _locked(session, deployment_id)
    if deployment.status == DeploymentStatus.SUPERSEDED:
        raise Conflict(f"deployment {deployment_id} was withdrawn while {deployment.model_id} was measured")
    deployment.gate = verdict.model_dump(mode="json")


def is_accepted(deployment: Deployment) -> bool:
    """Whether the verdict is there, and lets it go live."""
    return deployment.gate is not None and Verdict.model_validate(deployment.gate).passed


def turn_down(session: Session, deployment_id: str, verdict: Verdict, why: str) -> Deployment | None:
    """Let the model serve nobody: unload a candidate, or take down what is live.

    Returns the deployment of what was served before, where there is something to go back to; its turn is yet to come.
    """
    deployments.lock_alias(session, deployments.get(session, deployment_id).alias)
    deployment = _locked(session, deployment_id)
    deployment.gate = verdict.model_dump(mode="json")
    if deployment.status != DeploymentStatus.LIVE:
        if deployment.status != DeploymentStatus.SUPERSEDED:
            deployments.advance(session, deployment_id, DeploymentStatus.FAILED, error=why)
        return None
    try:
        return rollback.roll_back(session, deployment_id)[0]
    except Conflict:  # it has served nothing else
        deployments.advance(session, deployment_id, DeploymentStatus.FAILED, error=why)
        return None


def let_go(session: Session, deployment_id: str) -> None:
    """Unload a candidate that was there to be measured only."""
    if _locked(session, deployment_id).status == DeploymentStatus.CANDIDATE:
        deployments.advance(session, deployment_id, DeploymentStatus.SUPERSEDED)


def _locked(session: Session, deployment_id: str) -> Deployment:
    return session.get_one(Deployment, deployment_id, with_for_update=True, populate_existing=True)
