"""What takes up the storage's disk, all of it together."""

from fastapi import APIRouter, Request

from api.access import CallerDep
from api.schemas.storage import StorageView
from api.storage_meter import StorageMeter

router = APIRouter(tags=["storage"])


@router.get("/storage")
async def get_storage(request: Request, caller: CallerDep) -> StorageView:
    """How full the disk is, with what, and which jobs are the largest; measured some seconds ago at most.

    For a key of one project, or with the header OpenAI-Project, what that project has of it.
    """
    meter = request.app.state.storage_meter
    assert isinstance(meter, StorageMeter)
    return await meter.read(caller.within)
