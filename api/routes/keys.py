"""Keys: made and shown once, listed, revoked."""

from datetime import UTC, datetime

from fastapi import APIRouter
from sqlalchemy.orm import Session

from api.access import Caller, CallerDep
from api.deps import AfterId, Limit, SessionDep
from api.queries import newest
from api.schemas.errors import ErrorBody
from api.schemas.keys import KeyRequest, KeyView, NewKeyView
from api.schemas.lists import Page
from core import keys
from core.errors import InvalidRequest, PermissionDenied
from core.models import Key

router = APIRouter(prefix="/keys", tags=["keys"])


@router.post("", status_code=201, responses={403: {"model": ErrorBody, "description": "A key of another project"}})
async def create_key(body: KeyRequest, caller: CallerDep, session: SessionDep) -> NewKeyView:
    """Make a key.  Its secret is in the answer, and nowhere else: whoever loses it makes another key."""
    made = await session.run_sync(_create, caller, body)
    caller.changed = made.id
    return made


@router.get("")
async def list_keys(session: SessionDep, after: AfterId = None, limit: Limit = 20) -> Page[KeyView]:
    """The newest first, revoked ones too."""
    return Page.of([KeyView.of(row) for row in await newest(session, Key, after, limit + 1)], limit)


@router.get("/{key_id}", responses={404: {"model": ErrorBody}})
async def get_key(key_id: str, session: SessionDep) -> KeyView:
    return KeyView.of(await session.run_sync(keys.get, key_id))


@router.delete("/{key_id}", responses={404: {"model": ErrorBody}})
async def revoke_key(key_id: str, session: SessionDep) -> KeyView:
    """Have the key open nothing any more, within three seconds everywhere.  Asking twice is fine."""
    return KeyView.of(await session.run_sync(keys.revoke, key_id))


def _create(session: Session, caller: Caller, body: KeyRequest) -> NewKeyView:
    expires_at = None if body.expires_at is None else datetime.fromtimestamp(body.expires_at, UTC)
    if expires_at is not None and expires_at <= datetime.now(UTC):
        raise InvalidRequest(f"expires_at is {expires_at:%Y-%m-%d %H:%M} UTC, which is past", param="expires_at")
    project = _project(caller, body)
    made = keys.create(
        session,
        body.name,
        body.scopes,
        project,
        expires_at,
        requests_per_minute=body.requests_per_minute,
        tokens_per_minute=body.tokens_per_minute,
    )
    return NewKeyView.with_secret(*made)


def _project(caller: Caller, body: KeyRequest) -> str | None:
    """Whose key it will be; None for one of all projects."""
    if body.all_projects:
        caller.grant.require_every_project()
        if body.project is not None:
            raise InvalidRequest("project and all_projects exclude each other: give one of them", param="project")
        return None
    if caller.within is not None and body.project not in (None, caller.within):
        raise PermissionDenied(
            f"project is {body.project!r}, but the request is about {caller.within!r}: leave it out", param="project"
        )
    return body.project or caller.project
