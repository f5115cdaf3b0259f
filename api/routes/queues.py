"""Who shares the workers, within which limits, and the workers themselves."""

from typing import Annotated

from fastapi import APIRouter, Path
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.deps import SessionDep
from api.schemas.errors import ErrorBody
from api.schemas.lists import Listing
from api.schemas.queues import ProjectChange, ProjectView, WorkerView
from core import projects
from core.models import Project, Worker

router = APIRouter(tags=["queues"])
Name = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]


@router.get("/projects")
async def list_projects(session: SessionDep) -> Listing[ProjectView]:
    """All projects, by name."""
    return Listing(data=await session.run_sync(lambda sync: [_view(sync, one) for one in projects.every(sync)]))


@router.get("/projects/{name}", responses={404: {"model": ErrorBody}})
async def get_project(name: Name, session: SessionDep) -> ProjectView:
    return await session.run_sync(lambda sync: _view(sync, projects.get(sync, name)))


@router.patch("/projects/{name}")
async def change_project(name: Name, change: ProjectChange, session: SessionDep) -> ProjectView:
    """Set limits of a project, which is made if it is not there."""
    changes = change.model_dump(exclude_unset=True)
    return await session.run_sync(lambda sync: _view(sync, projects.change(sync, name, changes)))


@router.get("/workers")
async def list_workers(session: SessionDep) -> Listing[WorkerView]:
    """The workers that showed themselves lately, by name."""
    return Listing(
        data=[WorkerView.of(worker) for worker in await session.scalars(select(Worker).order_by(Worker.name))]
    )


def _view(session: Session, project: Project) -> ProjectView:
    return ProjectView(
        name=project.name,
        weight=project.weight,
        max_running=project.max_running,
        gpu_hours=project.gpu_hours,
        used_gpu_hours=round(projects.used_s(session, project) / 3600, 4),
    )
