"""Idempotency keys: the same key and body get what the first request got; another body is refused."""

from hashlib import sha256

from pydantic import BaseModel
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.errors import InvalidRequest
from core.models import DeploymentKey

_KEYS = 1
"""Sets the advisory locks of keys apart from those of aliases."""


def digest(body: BaseModel) -> str:
    """What tells one body from another, however it was written down."""
    return sha256(body.model_dump_json().encode()).hexdigest()


def check_body(key: str, body_sha256: str, first_sha256: str | None, made: str) -> None:
    """InvalidRequest unless the key comes with the body that it came with first, which `made` something."""
    if body_sha256 != first_sha256:
        raise InvalidRequest(
            f"Idempotency-Key {key!r} was used for {made} with another body: send the same body, or a new key",
            param="Idempotency-Key",
        )


def deployment_of(session: Session, project: str, key: str, body_sha256: str) -> str | None:
    """The id of the deployment that the key got; a request with the same key that has yet to commit makes it wait."""
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"{project}/{key}", _KEYS))))
    first = session.get(DeploymentKey, (project, key))
    if first is None:
        return None
    check_body(key, body_sha256, first.body_sha256, f"deployment {first.deployment_id}")
    return first.deployment_id


def remember(session: Session, project: str, key: str, body_sha256: str, deployment_id: str) -> None:
    """Have every further request with this key get this deployment."""
    session.add(DeploymentKey(project=project, key=key, body_sha256=body_sha256, deployment_id=deployment_id))
