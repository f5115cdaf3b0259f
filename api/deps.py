"""What routes depend on: a session that is one transaction, the bearer key, the gateway."""

import hmac
from collections.abc import AsyncIterator
from functools import lru_cache
from typing import Annotated

from fastapi import Depends, Header, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.ext.asyncio import AsyncSession

from api.db import async_sessions
from core.errors import NotAuthenticated
from core.keys import Keys
from core.passthrough import Upstream
from core.settings import get_settings

bearer = HTTPBearer(auto_error=False, description="the admin key (TUNESMITH_ADMIN_KEY)")


async def open_session() -> AsyncIterator[AsyncSession]:
    """One transaction for the request."""
    async with async_sessions().begin() as session:
        yield session


# "function": committed before the answer goes out, so that a failed commit is a 500 and not a lie.
SessionDep = Annotated[AsyncSession, Depends(open_session, scope="function")]

AfterId = Annotated[str | None, Query(max_length=500, description="id of an entry; the list starts behind it")]
ProjectName = Annotated[
    str,
    Header(
        alias="OpenAI-Project",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$",
        description="whose limits and share of the workers count; the OpenAI SDK sends it for `project=`",
    ),
]
IdempotencyKey = Annotated[
    str | None,
    Header(min_length=1, max_length=255, description="repeating a request with the same key and body changes nothing"),
]
Limit = Annotated[int, Query(ge=1, le=100, description="entries at most")]


Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]


async def require_key(credentials: Credentials) -> None:
    """Refuse a request without the admin key; compared in constant time."""
    expected = get_settings().require_admin_key().encode()
    if credentials is None:
        raise NotAuthenticated("no API key: send the header `Authorization: Bearer <admin key>`")
    if not hmac.compare_digest(credentials.credentials.encode(), expected):
        raise NotAuthenticated("the API key is not the admin key of this server (TUNESMITH_ADMIN_KEY)")


async def require_inference_key(credentials: Credentials) -> None:
    """Refuse a request with neither the admin key nor one that opens the inference paths only."""
    inference_keys().check(f"Bearer {credentials.credentials}".encode("latin-1") if credentials else b"")


@lru_cache
def inference_keys() -> Keys:
    """Of the settings."""
    return Keys(get_settings().all_inference_keys())


def gateway(request: Request) -> Upstream:
    """The inference gateway, with the app's pool of connections."""
    upstream = request.app.state.gateway
    assert isinstance(upstream, Upstream)
    return upstream


GatewayDep = Annotated[Upstream, Depends(gateway)]
