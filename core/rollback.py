"""Taking a deployment back: what is live makes way for what its alias served before, what is on its way is withdrawn.

It is decided under the alias's lock, so of two who ask at the same moment the second one sees what the first one did.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import aliases, deployments
from core.errors import Conflict, StillSwapping
from core.models import Deployment
from core.spec import DeploySpec, DrainSpec
from core.states import DeploymentStatus


def roll_back(session: Session, deployment_id: str) -> tuple[Deployment, bool]:
    """Take the deployment back; return the one that tells how that goes on, and whether it is new.

    Of one that is live, that is the request for the one before; of any other, the deployment itself.  Asking again
    while the first wish holds changes nothing.
    """
    deployments.lock_alias(session, deployments.get(session, deployment_id).alias)
    query = select(Deployment).where(Deployment.id == deployment_id).with_for_update()
    deployment = session.scalars(query, execution_options={"populate_existing": True}).one()
    wanted = deployments.desired(session, deployment.alias)
    if wanted is not None and wanted.rollback_of == deployment_id:
        return wanted, False
    if deployment.status == DeploymentStatus.LIVE:
        return _return_to_the_one_before(session, deployment)
    if deployment.status == DeploymentStatus.SWAPPING:
        raise StillSwapping(
            f"deployment {deployment_id} is just being put in place: roll it back when it is live, in a moment"
        )
    if deployment.status == DeploymentStatus.FAILED or deployment.live_at is not None:
        raise _not_served(session, deployment)
    if deployment.status != DeploymentStatus.SUPERSEDED:
        deployments.advance(session, deployment_id, DeploymentStatus.SUPERSEDED)
        session.flush()
    return deployment, False


def _return_to_the_one_before(session: Session, deployment: Deployment) -> tuple[Deployment, bool]:
    before = aliases.served_before(session, deployment)
    if before is None:
        raise Conflict(
            f"alias {deployment.alias!r} has served nothing but {deployment.model_id!r}: there is nothing to go back "
            "to; deploy another model (GET /models)"
        )
    how = DeploySpec(serve_as=before.serve_as, drain=DrainSpec.model_validate(deployment.drain))
    return deployments.ask(
        session, deployment.alias, before.model_id, how=how, rollback_of=deployment.id, project=deployment.project
    )


def _not_served(session: Session, deployment: Deployment) -> Conflict:
    said = f"deployment {deployment.id} is {deployment.status}: {deployment.alias!r} does not serve it"
    live = deployments.live_on(session, deployment.alias)
    if live is None:
        return Conflict(f"{said}, nor anything else; deploy the model that it should serve")
    return Conflict(f"{said}, but {live.model_id!r}, by deployment {live.id}: roll that one back")
