"""Jobs with files, as stages leave them, in the state that a test of what is kept starts from."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, update

from core import deployments, jobs, model_registry
from core.db import transaction
from core.job_files import jobs_root, models_root
from core.models import Job
from core.spec import DeploySpec, KeepSpec, ServeAs
from core.states import DeploymentStatus, JobStatus
from tests.core.sessions import SPEC, claim, finish

CHAT, TOOLS = (stage.name for stage in SPEC.stages)
ALIAS = "tunesmith"


def queued_job(base_model: str | None = None, **keep: Any) -> str:
    """A queued job of both stages with these `keep` rules; it has no files yet."""
    changes = {"keep": KeepSpec(**keep), "base_model": base_model or SPEC.base_model}
    with transaction() as session:
        return jobs.create(session, SPEC.model_copy(update=changes), {"stages": [], "total_steps": None}).id


def ended_job(status: JobStatus = JobStatus.SUCCEEDED, *, days_ago: float = 0, **keep: Any) -> str:
    """A job that ended so long ago, with every file of both stages and both models registered."""
    job_id = queued_job(**keep)
    if status == JobStatus.CANCELLED:
        with transaction() as session:
            jobs.cancel(session, job_id)
    else:
        finish(claim(), status)
    for stage in (CHAT, TOOLS):
        write_stage(job_id, stage)
        write_model(job_id, stage)
    set_age(job_id, days_ago)
    return job_id


def set_age(job_id: str, days: float) -> None:
    """Make the job one that ended so many days ago."""
    with transaction() as session:
        session.execute(update(Job).where(Job.id == job_id).values(finished_at=func.now() - timedelta(days=days)))


def write_stage(
    job_id: str, stage: str, *, steps: Sequence[int] = (10, 20), ended: bool = True, run: str = "run-1"
) -> Path:
    """The stage's folder with whole checkpoints of these steps."""
    folder = jobs_root() / job_id / stage / run
    for step in steps:
        write(folder / "checkpoints" / f"checkpoint-{step}" / "optimizer.pt", 1000)
        write(folder / "checkpoints" / f"checkpoint-{step}" / "COMPLETE", 10)
    write(folder / "adapter" / "adapter_model.safetensors", 500)
    write(folder / "rows.arrow", 300)
    write(folder / "sft.log", 40)
    write(folder / "merge.json", 2)
    if not ended:
        (folder / "merge.json").unlink()
    return jobs_root() / job_id / stage


def write_model(job_id: str, stage: str, *, adapter_of: str | None = None) -> str:
    """The stage's merged model, registered, with an adapter on another model if that is named; returns its id."""
    write(models_root() / job_id / stage / "model.safetensors", 2000)
    with transaction() as session:
        model_registry.register_model(
            session,
            model_id(job_id, stage),
            stage=stage,
            base_model="m",
            location=f"models/{job_id}/{stage}",
            manifest={},
            job_id=job_id,
            base_id=adapter_of,
            adapter_rank=None if adapter_of is None else 16,
        )
    return model_id(job_id, stage)


def model_id(job_id: str, stage: str) -> str:
    return f"{job_id}-{stage}"


def write(path: Path, size_bytes: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size_bytes)


def deploy(model: str, *targets: DeploymentStatus, alias: str = ALIAS, serve_as: ServeAs = "merged") -> None:
    """Ask for the model and let the gateway get as far as the last of the states."""
    with transaction() as session:
        deployment_id = deployments.request(session, alias, model, how=DeploySpec(serve_as=serve_as)).id
    for target in targets:
        with transaction() as session:
            deployments.advance(session, deployment_id, target)


def make_live(model: str, alias: str = ALIAS, serve_as: ServeAs = "merged") -> None:
    way = (DeploymentStatus.STAGING, DeploymentStatus.SWAPPING, DeploymentStatus.LIVE)
    deploy(model, *way, alias=alias, serve_as=serve_as)


def files(job_id: str) -> set[str]:
    """What the job has, as stage/kind or stage/checkpoint-N."""
    found = {f"{path.name}/model" for path in (models_root() / job_id).glob("*")}
    for stage_dir in (jobs_root() / job_id).glob("*"):
        for path in [*stage_dir.glob("run-*/*"), *stage_dir.glob("run-*/checkpoints/*")]:
            if path.name != "checkpoints":
                found.add(f"{stage_dir.name}/{path.name}")
    return found
