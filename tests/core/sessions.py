"""Jobs, runs and models in the state that a test starts from."""

from typing import Any

from core import jobs, model_registry, runs
from core.db import transaction
from core.machine import Device
from core.memory import GIB
from core.models import Job
from core.runs import Lease
from core.spec import JobSpec
from core.states import JobStatus

DEVICE = Device("test", 64 * GIB)
SPEC = JobSpec(base_model="Qwen/Qwen2.5-3B")


def new_job(*, priority: int = 0, project: str = "default", memory_bytes: int = 0) -> str:
    """A queued job's id."""
    with transaction() as session:
        spec = SPEC.model_copy(update={"priority": priority})
        plan: dict[str, Any] = {"stages": [], "total_steps": None}
        return jobs.create(session, spec, plan, project=project, memory_bytes=memory_bytes).id


def try_claim(lease_s: float = 60, *, worker: str = "worker", device: Device = DEVICE) -> Lease | None:
    """A run of the worker's next job; with a negative `lease_s` its lease has run out already."""
    with transaction() as session:
        return runs.claim(session, worker, device, lease_s)


def claim(lease_s: float = 60) -> Lease:
    """A run of the next job, which there must be."""
    lease = try_claim(lease_s)
    assert lease is not None
    return lease


def finish(lease: Lease, target: JobStatus = JobStatus.SUCCEEDED) -> None:
    """End the run."""
    with transaction() as session:
        runs.finish(session, lease, target)


def read(job_id: str) -> Job:
    """The job as it is stored now."""
    with transaction() as session:
        return jobs.get(session, job_id)


def status_of(job_id: str) -> JobStatus:
    return JobStatus(read(job_id).status)


def new_model(model_id: str, *, adapter_of: str | None = None) -> str:
    """A registered model's id; with `adapter_of` it can also be served as an adapter on that base."""
    rank = None if adapter_of is None else 16
    with transaction() as session:
        model_registry.register_model(
            session,
            model_id,
            stage="base",
            base_model="m",
            location="/m",
            manifest={},
            base_id=adapter_of,
            adapter_rank=rank,
        )
    return model_id
