"""What one job has on disk."""

import anyio.to_thread
from fastapi import APIRouter

from api import queries
from api.access import CallerDep
from api.db import transaction
from api.schemas.errors import ErrorBody
from api.schemas.lists import Listing
from api.schemas.storage import ArtefactView
from core.job_files import artefacts

router = APIRouter(tags=["storage"])


@router.get("/jobs/{job_id}/artefacts", responses={404: {"model": ErrorBody}})
async def list_artefacts(job_id: str, caller: CallerDep) -> Listing[ArtefactView]:
    """What the job has on disk, stage by stage: together, all that it takes up."""
    async with transaction(caller.within) as session:  # closed before the disk is looked at, which may take long
        await queries.get_job(session, job_id)
    found = await anyio.to_thread.run_sync(lambda: list(artefacts(job_id)))
    return Listing(data=[ArtefactView.of(artefact) for artefact in found])
