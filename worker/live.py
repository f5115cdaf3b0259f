"""Asking the gateway, by a deployment row, to make a model live, and waiting for it."""

from typing import Any

from sqlalchemy.orm import Session

from core import deployments, runs
from core.errors import ServiceError, UpstreamFailed
from core.models import Deployment
from core.settings import get_settings
from core.states import STOPPING, DeploymentStatus
from worker.lease import LeaseKeeper, Stopped

_ENDED = (DeploymentStatus.LIVE, DeploymentStatus.FAILED, DeploymentStatus.SUPERSEDED)


class DeploymentFailed(ServiceError):
    """The gateway refused the model, or could not make it live; what was live before still is."""

    code = "deployment_failed"


class LiveModel:
    """The endpoint's model, as a run sees it."""

    def __init__(self, keeper: LeaseKeeper) -> None:
        self.keeper, self.lease = keeper, keeper.lease
        self.alias = get_settings().vllm_model_name

    def other_than(self, model_id: str) -> str | None:
        """The model that the endpoint serves or will serve, if it is another one."""
        wanted = self.keeper.write(lambda session: deployments.desired(session, self.alias))
        return wanted.model_id if wanted is not None and wanted.model_id != model_id else None

    def replaced_by(self, model_id: str) -> str | None:
        """The model that took the place of this one, if the job had made it live already."""
        job_id = self.lease.job_id
        return self.keeper.write(lambda session: deployments.replaced_by(session, self.alias, model_id, job_id))

    def deploy(self, model_id: str) -> dict[str, Any]:
        """Make the model live and return the timings; DeploymentFailed says why not.

        A job that was asked to stop makes nothing live: Stopped.
        """
        deployment_id = self.keeper.write(lambda session: self._request(session, model_id))
        timeout_s = get_settings().deploy_timeout_s
        if not self.keeper.wait_until(lambda: self._get(deployment_id).status in _ENDED, timeout_s):
            raise UpstreamFailed(
                f"deployment {deployment_id} of {model_id} is not live after {timeout_s:g} s: is the inference gateway "
                "running? Its log says more; retry the job once it is"
            )
        ended = self._get(deployment_id)
        if ended.status == DeploymentStatus.FAILED:
            raise DeploymentFailed(f"{model_id} could not be made live: {ended.error}")
        return ended.timings or {}

    def _request(self, session: Session, model_id: str) -> str:
        job = runs.hold(session, self.lease)
        if job.status in STOPPING:
            raise Stopped(f"the job is {job.status}")
        return deployments.request(session, self.alias, model_id, job.id).id

    def _get(self, deployment_id: str) -> Deployment:
        return self.keeper.write(lambda session: deployments.get(session, deployment_id))
