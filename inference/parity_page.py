"""`POST /parity`: whether a served model is prompted, and read, as the rows of a job's stage are trained.

For workers, which ask it before they train (`worker.parity`), so it takes an admin key of all projects.  The rows do
not travel: the body names the stage, whose run directory lies in the storage that both share.
"""

import asyncio

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.access import Scope
from core.errors import InvalidRequest, NotFound, NotServing
from core.key_ring import KeyRing
from core.parity import questions_of
from core.spec import Name
from inference.fleet import Fleet
from inference.parity import Parity


class ParityRequest(BaseModel):
    """The body; neither name can lead out of the jobs' folder."""

    model: str
    job_id: Name
    stage: Name


class ParityPage:
    """The handler."""

    def __init__(self, fleet: Fleet, keys: KeyRing) -> None:
        self._fleet = fleet
        self._keys = keys

    async def answer(self, request: Request) -> Response:
        """A `core.parity.ParityRecord`; a mismatch is one of its answers, and no error."""
        grant = await self._keys.grant(request.headers.get("authorization", "").encode("latin-1"))
        grant.require(Scope.ADMIN)
        grant.require_every_project()
        try:
            asked = ParityRequest.model_validate_json(await request.body())
        except ValidationError as error:
            raise InvalidRequest(f"the body must name `model`, `job_id` and `stage`: {error}") from error
        questions = await asyncio.to_thread(questions_of, asked.job_id, asked.stage)
        if not questions:
            raise NotFound(f"stage {asked.stage} of job {asked.job_id} keeps nothing to ask about", param="stage")
        async with self._fleet.routes.passing(asked.model) as passage:
            target = passage.target
            backends = (self._fleet.main, self._fleet.guest_backend)
            backend = next((each for each in backends if each is target.backend), None)
            if backend is None:
                raise NotServing(f"{asked.model} has just been replaced: ask for what is served now")
            record = await Parity(backend.control).rendered(target.engine_name, target.model_id, questions)
        return JSONResponse(record.model_dump(mode="json"))
