"""Who shares the workers, within which limits, and the workers themselves."""

from typing import Annotated

from fastapi import APIRouter, Path
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.access import CallerDep
from api.deps import SessionDep
from api.schemas.errors import ErrorBody
from api.schemas.lists import Listing
from api.schemas.queues import NewProject, ProjectChange, ProjectView, WorkerView
from core import projects, spec
from core.models import Job, Project, Worker

router = APIRouter(tags=["queues"])
Name = Annotated[spec.Name, Path()]


@router.get("/projects")
async def list_projects(session: SessionDep) -> Listing[ProjectView]:
    """All projects, by name; for a key of one project that one."""
    return Listing(data=await session.run_sync(lambda sync: [_view(sync, one) for one in projects.every(sync)]))


@router.post("/projects", status_code=201, responses={409: {"model": ErrorBody, "description": "It is there already"}})
async def create_project(body: NewProject, caller: CallerDep, session: SessionDep) -> ProjectView:
    """Make a project.  Takes a key of all projects."""
    caller.grant.require_every_project()
    caller.changed = body.name
    limits = body.model_dump(exclude_unset=True, exclude={"name"})
    return await session.run_sync(lambda sync: _view(sync, projects.create(sync, body.name, limits)))


@router.get("/projects/{name}", responses={404: {"model": ErrorBody}})
async def get_project(name: Name, session: SessionDep) -> ProjectView:
    return await session.run_sync(lambda sync: _view(sync, projects.get(sync, name)))


@router.patch("/projects/{name}", responses={404: {"model": ErrorBody}})
async def change_project(name: Name, change: ProjectChange, caller: CallerDep, session: SessionDep) -> ProjectView:
    """Set limits of a project, which is made if it is not there.  Takes a key of all projects."""
    if caller.within is not None:
        await session.run_sync(projects.get, name)
    caller.grant.require_every_project()
    changes = change.model_dump(exclude_unset=True)
    return await session.run_sync(lambda sync: _view(sync, projects.change(sync, name, changes)))


@router.get("/workers")
async def list_workers(session: SessionDep) -> Listing[WorkerView]:
    """The workers that showed themselves lately, by name; a job of another project that one is at is not named."""
    workers = list(await session.scalars(select(Worker).order_by(Worker.name)))
    jobs = [worker.job_id for worker in workers if worker.job_id is not None]
    seen = set(await session.scalars(select(Job.id).where(Job.id.in_(jobs))))
    return Listing(data=[WorkerView.of(worker, seen) for worker in workers])


def _view(session: Session, project: Project) -> ProjectView:
    return ProjectView(
        name=project.name,
        weight=project.weight,
        max_running=project.max_running,
        gpu_hours=project.gpu_hours,
        used_gpu_hours=round(projects.used_s(session, project) / 3600, 4),
        max_queued=project.max_queued,
        file_bytes=project.file_bytes,
        storage_bytes=project.storage_bytes,
        requests_per_minute=project.requests_per_minute,
        tokens_per_minute=project.tokens_per_minute,
    )
