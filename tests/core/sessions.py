"""Jobs, runs and models in the state that a test starts from."""

from core import deployments, jobs, runs
from core.db import transaction
from core.models import Job
from core.runs import Lease
from core.spec import JobSpec
from core.states import JobStatus

SPEC = JobSpec(base_model="Qwen/Qwen2.5-3B")


def new_job(*, priority: int = 0) -> str:
    """A queued job's id."""
    with transaction() as session:
        spec = SPEC.model_copy(update={"priority": priority})
        return jobs.create(session, spec, {"stages": [], "total_steps": None}).id


def claim(lease_s: float = 60) -> Lease:
    """A run of the next job; with a negative `lease_s` its lease has run out already."""
    with transaction() as session:
        lease = runs.claim(session, "worker", lease_s)
    assert lease is not None
    return lease


def read(job_id: str) -> Job:
    """The job as it is stored now."""
    with transaction() as session:
        return jobs.get(session, job_id)


def status_of(job_id: str) -> JobStatus:
    return JobStatus(read(job_id).status)


def new_model(model_id: str) -> str:
    """A registered model's id."""
    with transaction() as session:
        deployments.register_model(session, model_id, stage="base", base_model="m", location="/m", manifest={})
    return model_id
