"""Asking the gateway, by a deployment row, to make a model live, and waiting for it."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from core import aliases, candidates, deployments, model_registry, pauses, runs
from core.deployments import Candidacy
from core.errors import Conflict, ParityMismatch, ServiceError, UpstreamFailed
from core.models import Deployment
from core.settings import get_settings
from core.spec import DeploySpec
from core.states import STOPPING, DeploymentStatus
from core.verdict import Verdict
from worker.lease import LeaseKeeper, Stopped

_ENDED = (DeploymentStatus.LIVE, DeploymentStatus.FAILED, DeploymentStatus.SUPERSEDED)
_REPORT_S = 15.0
T = TypeVar("T")


class DeploymentFailed(ServiceError):
    """The gateway refused the model, or could not make it live; what was live before still is."""

    code = "deployment_failed"


class NoRoom(DeploymentFailed):
    """A model that is to be measured only, and memory has no room for it beside what is live."""


class LiveModel:
    """The endpoint's model, as a run sees it."""

    def __init__(self, keeper: LeaseKeeper) -> None:
        self.keeper, self.lease = keeper, keeper.lease
        self.alias = aliases.default_of(self.lease.project)
        self.trial_began_at, self.reported_at = 0.0, 0.0

    def other_than(self, model_id: str) -> str | None:
        """The model that the endpoint serves or will serve, if it is another one."""
        wanted = self.keeper.write(lambda session: deployments.desired(session, self.alias))
        return wanted.model_id if wanted is not None and wanted.model_id != model_id else None

    def replaced_by(self, model_id: str) -> str | None:
        """The model that took the place of this one, if the job had made it live already."""
        job_id = self.lease.job_id
        return self.keeper.write(lambda session: deployments.replaced_by(session, self.alias, model_id, job_id))

    def deploy(self, model_id: str, how: DeploySpec, gate: Verdict | None = None) -> dict[str, Any]:
        """Make the model live and return how that was done: `strategy`, `reason` and the timings.

        `gate` is what allows it, if anything had to.  DeploymentFailed says why it is not live.  A job that was asked
        to stop makes nothing live: Stopped.
        """
        return self.until_live(self._request(model_id, how, gate=gate), how)

    def take_in(self, model_id: str, how: DeploySpec, candidacy: Candidacy) -> Deployment:
        """Have the model served so that it can be measured: as a candidate, or live where that cannot be.

        NoRoom when it is to be a candidate or nothing.
        """
        return self._reached(self._request(model_id, how, candidacy=candidacy), how, DeploymentStatus.CANDIDATE)

    def until_live(self, deployment_id: str, how: DeploySpec) -> dict[str, Any]:
        """Wait for a deployment that is on its way; returns how it was done."""
        return described(self._reached(deployment_id, how))

    def accept(self, deployment_id: str, verdict: Verdict) -> None:
        """Let the candidate go live; DeploymentFailed when it was withdrawn meanwhile."""
        try:
            self.keeper.write(lambda session: self._held(session, candidates.accept, deployment_id, verdict))
        except Conflict as error:
            raise DeploymentFailed(f"{error.message}; retry the job to ask for it again") from error

    def turn_down(self, deployment_id: str, verdict: Verdict, why: str) -> str | None:
        """Keep the model from users, and wait until what was live before is again; returns that, if it had gone."""

        def decide(session: Session) -> str | None:
            back = self._held(session, candidates.turn_down, deployment_id, verdict, why)
            return None if back is None else back.id

        back = self.keeper.write(decide)
        return None if back is None else self._reached(back, DeploySpec()).model_id

    def let_go(self, deployment_id: str) -> None:
        """Unload a candidate that was there to be measured only."""
        self.keeper.write(lambda session: self._held(session, candidates.let_go, deployment_id))

    def _held(self, session: Session, do: Callable[..., T], *arguments: Any) -> T:
        runs.hold(session, self.lease)
        return do(session, *arguments)

    def _reached(self, deployment_id: str, how: DeploySpec, *also: DeploymentStatus) -> Deployment:
        """Wait until the deployment is live, or in one of these states."""
        self.trial_began_at = self.reported_at = 0.0
        timeout_s = longest_wait_s(how)
        ends = (*_ENDED, *also)
        if not self.keeper.wait_until(lambda: self._has_ended(deployment_id, how, ends), timeout_s):
            raise UpstreamFailed(
                f"deployment {deployment_id} is not live after {timeout_s:g} s: is the inference gateway running? Its "
                "log says more; retry the job once it is"
            )
        ended = self._get(deployment_id)
        if ended.status == DeploymentStatus.FAILED:
            raise self._failure(ended.model_id, ended.error)
        if ended.status == DeploymentStatus.SUPERSEDED and ended.live_at is None:
            if ended.error is not None:
                raise NoRoom(ended.error)
            message = f"{ended.model_id} was withdrawn before it was live; retry the job to ask for it again"
            raise DeploymentFailed(message)
        return ended

    def own(self, model_id: str) -> Deployment | None:
        """The job's deployment of the model, if that is live or on its way."""
        wanted = self.keeper.write(lambda session: deployments.desired(session, self.alias))
        is_own = wanted is not None and (wanted.model_id, wanted.job_id) == (model_id, self.lease.job_id)
        return wanted if is_own else None

    def with_tokenizer_of(self, base_id: str) -> str | None:
        """The model that is live, if it is this base or was made of it, and so has its tokenizer and template."""

        def find(session: Session) -> str | None:
            live = deployments.live_on(session, self.alias)
            model = None if live is None else model_registry.get_model(session, live.model_id)
            return model.id if model is not None and base_id in (model.id, model.base_id) else None

        return self.keeper.write(find)

    def _failure(self, model_id: str, error: str | None) -> ServiceError:
        """Why the deployment failed: the model is served otherwise than it was trained, or anything else."""
        parity = self.keeper.write(lambda session: model_registry.parity_of(session, model_id))
        message = f"{model_id} could not be made live: {error}"
        is_mismatch = parity is not None and error is not None and parity.failure() == error
        return ParityMismatch(message) if is_mismatch else DeploymentFailed(message)

    def _request(
        self, model_id: str, how: DeploySpec, *, candidacy: Candidacy | None = None, gate: Verdict | None = None
    ) -> str:
        def ask(session: Session) -> str:
            job = runs.hold(session, self.lease)
            if job.status in STOPPING:
                raise Stopped(f"the job is {job.status}")
            # In one transaction, so that a vLLM which slept while this job trained wakes with the new model.
            pauses.end(session, job.id)
            return deployments.ask(
                session,
                self.alias,
                model_id,
                job.id,
                how=how,
                project=job.project,
                candidate=candidacy,
                gate=gate,
            )[0].id

        return self.keeper.write(ask)

    def _has_ended(self, deployment_id: str, how: DeploySpec, ends: tuple[DeploymentStatus, ...]) -> bool:
        """Whether the deployment is carried out or given up.  A trial is progress: its job does not hang."""
        status, now = self._get(deployment_id).status, time.monotonic()
        if status == DeploymentStatus.TRIAL and how.split is not None:
            self.trial_began_at = self.trial_began_at or now
            if now - self.reported_at > _REPORT_S:
                done = {"program": "trial", "done": round(now - self.trial_began_at), "total": round(how.split.max_s)}
                self.keeper.write(lambda session: runs.record_progress(session, self.lease, {**done, "unit": "s"}))
                self.reported_at = now
        return status in ends

    def _get(self, deployment_id: str) -> Deployment:
        return self.keeper.write(lambda session: deployments.get(session, deployment_id))


def described(deployment: Deployment) -> dict[str, Any]:
    """How a deployment was carried out, for an event."""
    return {"strategy": deployment.strategy, "reason": deployment.reason, **(deployment.timings or {})}


def longest_wait_s(how: DeploySpec) -> float:
    """How long a model may take to be live: loading it, waiting for answers that are under way, and its trial."""
    settings = get_settings()
    drain_s = settings.drain_timeout_s if how.drain.timeout_s is None else how.drain.timeout_s
    answers_s = drain_s + (settings.request_timeout_s if how.drain.on_timeout == "wait" else 0)
    return settings.deploy_timeout_s + answers_s + (how.split.max_s if how.split else 0)
