"""Keys as clients see them: making, listing, revoking; and those that open anything now.

A Session is a transaction that the caller commits.  A secret is in memory once, when it is made, and never stored.
"""

import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import sha256

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from core import projects
from core.access import Grant, Scope, unix_or_never
from core.errors import NotFound
from core.ids import new_id
from core.models import Key, Project
from core.rate_limits import RateLimit

BEGINS_WITH = "ts-"
SHOWN = len(BEGINS_WITH) + 6
"""So many characters of a secret are kept, to tell keys apart: 36 of its 256 bits."""


def new_secret() -> str:
    """A key's secret: 256 random bits."""
    return BEGINS_WITH + secrets.token_urlsafe(32)


def create(
    session: Session,
    name: str,
    scopes: Iterable[Scope],
    project: str | None,
    expires_at: datetime | None = None,
    *,
    requests_per_minute: int | None = None,
    tokens_per_minute: int | None = None,
) -> tuple[Key, str]:
    """A new key and its secret, which is nowhere else."""
    if project is not None:
        projects.ensure(session, project)
    secret = new_secret()
    key = Key(
        id=new_id("key"),
        project=project,
        name=name,
        scopes=sorted(set(scopes)),
        sha256=sha256(secret.encode()).hexdigest(),
        prefix=secret[:SHOWN],
        expires_at=expires_at,
        requests_per_minute=requests_per_minute,
        tokens_per_minute=tokens_per_minute,
    )
    session.add(key)
    session.flush()
    session.refresh(key)
    return key, secret


def get(session: Session, key_id: str) -> Key:
    """The key, or NotFound."""
    key = session.get(Key, key_id)
    if key is None:
        raise NotFound(f"no key {key_id!r}: GET /keys lists those there are", param="key_id")
    return key


def revoke(session: Session, key_id: str) -> Key:
    """Have the key open nothing any more.  Asking twice is fine."""
    key = get(session, key_id)
    if key.revoked_at is None:
        key.revoked_at = func.now()
        session.flush()
        session.refresh(key)
    return key


def open_grants(session: Session) -> dict[bytes, Grant]:
    """What every key opens that is neither revoked nor expired, by the SHA-256 of its secret."""
    query = select(Key, Project).outerjoin(Project, Project.name == Key.project)
    query = query.where(Key.revoked_at.is_(None), or_(Key.expires_at.is_(None), Key.expires_at > func.now()))
    return {
        bytes.fromhex(key.sha256): Grant(
            name=key.name,
            scopes=frozenset(map(Scope, key.scopes)),
            project=key.project,
            key_id=key.id,
            expires_s=unix_or_never(key.expires_at),
            limits=tuple(each for each in (_rate(key), None if project is None else rate_of(project)) if each),
        )
        for key, project in session.execute(query)
    }


def _rate(key: Key) -> RateLimit | None:
    return _limit(f"key {key.id}", key.requests_per_minute, key.tokens_per_minute)


def rate_of(project: Project) -> RateLimit | None:
    """What all keys of the project may ask for together, if that is limited."""
    return _limit(f"project {project.name}", project.requests_per_minute, project.tokens_per_minute)


def _limit(of: str, requests: int | None, tokens: int | None) -> RateLimit | None:
    return None if requests is None and tokens is None else RateLimit(of, requests, tokens)


def mark_used(session: Session, used: Mapping[str, datetime]) -> None:
    """Write down when each key was used last, by its id."""
    for key_id, at in used.items():
        session.execute(update(Key).where(Key.id == key_id).values(last_used_at=func.greatest(Key.last_used_at, at)))
