"""The audit log: who changed what, and what was refused."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.deps import AfterId, Limit, SessionDep
from api.queries import newest
from api.schemas.audit import AuditView
from api.schemas.errors import ErrorBody
from api.schemas.lists import Page
from core.models import AuditEntry

router = APIRouter(tags=["audit"])


@router.get("/audit", responses={404: {"model": ErrorBody}})
async def list_audit(
    session: SessionDep,
    after: AfterId = None,
    limit: Limit = 20,
    thing: Annotated[str | None, Query(max_length=500, description="only changes of this: an id or a name")] = None,
    key: Annotated[str | None, Query(max_length=100, description="only those made with this key")] = None,
) -> Page[AuditView]:
    """The newest first; for a key of one project what was done within it."""
    filters = ((AuditEntry.thing, thing), (AuditEntry.key, key))
    only = [column == value for column, value in filters if value is not None]
    return Page.of([AuditView.of(row) for row in await newest(session, AuditEntry, after, limit + 1, *only)], limit)
