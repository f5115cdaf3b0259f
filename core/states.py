"""The states of a job and of a deployment, and the one table of moves between them.

    queued -> preparing -> (deploying -> evaluating ->) training -> merging -> deploying -> evaluating -> succeeded
    any of these -> cancelling -> cancelled, pausing -> paused, or failed; paused, cancelled and failed -> queued

`deploying -> evaluating` first measures the base model, then each stage's merged model on the served endpoint;
see docs/adr/0001.  Nothing but `core.jobs`, `core.runs` and `core.deployments` changes a status, and all ask this
table.
"""

from enum import StrEnum

from core.errors import Conflict


class JobStatus(StrEnum):
    QUEUED = "queued"
    PREPARING = "preparing"
    TRAINING = "training"
    MERGING = "merging"
    DEPLOYING = "deploying"
    EVALUATING = "evaluating"
    CANCELLING = "cancelling"
    PAUSING = "pausing"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


WORKING = frozenset(
    {JobStatus.PREPARING, JobStatus.TRAINING, JobStatus.MERGING, JobStatus.DEPLOYING, JobStatus.EVALUATING}
)
STOPPING = {JobStatus.CANCELLING: JobStatus.CANCELLED, JobStatus.PAUSING: JobStatus.PAUSED}
"""States in which the worker has been asked to stop, and where each of them leads."""
HELD = WORKING | STOPPING.keys()
"""States in which a worker holds the job's lease."""
FINAL = frozenset({JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED})
"""States in which nothing happens any more unless somebody asks for a retry."""

_J = JobStatus
JOB_MOVES: dict[JobStatus, frozenset[JobStatus]] = {
    _J.QUEUED: frozenset({_J.PREPARING, _J.PAUSED, _J.CANCELLED, _J.FAILED}),
    **{
        status: frozenset((WORKING - {status}) | STOPPING.keys() | {_J.QUEUED, _J.FAILED, _J.SUCCEEDED})
        for status in WORKING
    },
    _J.CANCELLING: frozenset({_J.CANCELLED, _J.FAILED}),
    _J.PAUSING: frozenset({_J.PAUSED, _J.CANCELLING, _J.FAILED, _J.SUCCEEDED}),
    _J.PAUSED: frozenset({_J.QUEUED, _J.CANCELLED}),
    _J.SUCCEEDED: frozenset(),
    _J.FAILED: frozenset({_J.QUEUED}),
    _J.CANCELLED: frozenset({_J.QUEUED}),
}


class DeploymentStatus(StrEnum):
    PENDING = "pending"
    STAGING = "staging"
    SWAPPING = "swapping"
    CANDIDATE = "candidate"
    TRIAL = "trial"
    LIVE = "live"
    SUPERSEDED = "superseded"
    FAILED = "failed"


_D = DeploymentStatus
DEPLOYMENT_MOVES: dict[DeploymentStatus, frozenset[DeploymentStatus]] = {
    _D.PENDING: frozenset({_D.STAGING, _D.FAILED, _D.SUPERSEDED}),
    _D.STAGING: frozenset({_D.PENDING, _D.SWAPPING, _D.CANDIDATE, _D.FAILED, _D.SUPERSEDED}),
    _D.SWAPPING: frozenset({_D.PENDING, _D.TRIAL, _D.LIVE, _D.FAILED}),
    _D.CANDIDATE: frozenset({_D.PENDING, _D.TRIAL, _D.LIVE, _D.FAILED, _D.SUPERSEDED}),
    _D.TRIAL: frozenset({_D.PENDING, _D.LIVE, _D.FAILED, _D.SUPERSEDED}),
    _D.LIVE: frozenset({_D.SUPERSEDED, _D.FAILED}),
    _D.SUPERSEDED: frozenset(),
    _D.FAILED: frozenset(),
}
"""`candidate`: the model answers under its own name only, while its job measures it; `trial`: a share of the alias's
requests goes to it.  One that was live has failed when its gate did and nothing was there to go back to."""
OPEN = frozenset({_D.PENDING, _D.STAGING, _D.SWAPPING, _D.CANDIDATE, _D.TRIAL})
"""States of a deployment that the gateway has still to carry out, or is carrying out."""


class PreflightStatus(StrEnum):
    """Queued, then running, then one of the others for good; `core.preflights` alone changes it."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    REFUSED = "refused"
    FAILED = "failed"
    CANCELLED = "cancelled"


def check_job_move(job_id: str, current: JobStatus, target: JobStatus) -> None:
    """Raise Conflict unless the table allows the move (staying put is allowed)."""
    if target != current and target not in JOB_MOVES[current]:
        raise Conflict(f"job {job_id} is {current}: it cannot become {target}")


def check_deployment_move(deployment_id: str, current: DeploymentStatus, target: DeploymentStatus) -> None:
    """Raise Conflict unless the table allows the move."""
    if target not in DEPLOYMENT_MOVES[current]:
        raise Conflict(f"deployment {deployment_id} is {current}: it cannot become {target}")
