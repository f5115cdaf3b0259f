"""The scorecard of a job, as JSON, as Markdown and as a page, and the answers that it was made from."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api import queries
from api.deps import AfterId, Limit, SessionDep
from api.negotiation import Format, wanted_format
from api.schemas.answers import AnswerView
from api.schemas.errors import ErrorBody
from api.schemas.lists import Page
from api.scorecard_page import page
from core import answers
from core.answers import Verdict, Wanted
from core.curves import loss_curve
from core.scorecard.build import EXAMPLES, scorecard
from core.scorecard.card import Scorecard
from core.scorecard.markdown import markdown

router = APIRouter(prefix="/jobs/{job_id}", tags=["jobs"], responses={404: {"model": ErrorBody}})
FORMS: dict[int | str, dict[str, object]] = {
    200: {
        "content": {"text/markdown": {}, "text/html": {}},
        "description": "By `format` or `Accept`: JSON, Markdown or a page",
    }
}


@router.get("/scorecard", response_model=Scorecard, responses=FORMS)
async def get_scorecard(
    job_id: str,
    request: Request,
    session: SessionDep,
    format: Annotated[Format | None, Query(description="before `Accept`, which decides otherwise")] = None,
    examples: Annotated[int, Query(ge=0, le=100, description="rows won, and lost, shown of each suite")] = EXAMPLES,
) -> Response | Scorecard:
    """How good the base model and each stage's model are, and how they differ row by row."""
    job = await queries.get_job(session, job_id)
    card = await session.run_sync(scorecard, job, examples, await queries.health(session, job))
    match wanted_format(request, format):
        case Format.MARKDOWN:
            return Response(markdown(card), media_type="text/markdown")
        case Format.HTML:
            curves = {name: await session.run_sync(loss_curve, job_id, name) for name in queries.stage_names(job)}
            return page(card, curves)
    return card


@router.get("/answers")
async def list_answers(
    job_id: str,
    session: SessionDep,
    stage: Annotated[str | None, Query(description="only those of this model: `base`, or a stage's name")] = None,
    suite: Annotated[str | None, Query(max_length=100, description="only those to this suite")] = None,
    verdict: Annotated[
        Verdict | None, Query(description="won, lost: only `stage` is right, or only the older model")
    ] = None,
    against: Annotated[
        str | None,
        Query(max_length=500, description="the older model, by its id; for won and lost that of the stage before"),
    ] = None,
    after: AfterId = None,
    limit: Limit = 20,
) -> Page[AnswerView]:
    """What the job's models answered, row by row, with the verdicts; ordered by stage, suite and row."""
    job = await queries.get_job(session, job_id)
    wanted = Wanted(stage=stage, suite=suite, verdict=verdict, against=against)
    found = await session.run_sync(lambda sync: answers.page(sync, job, wanted, after=after, limit=limit))
    return Page.of([AnswerView.of(each) for each in found], limit)
