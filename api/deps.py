"""What routes depend on: a session that is one transaction, what lists are asked with, the gateway."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Header, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession

from api.access import CallerDep
from api.changes import changing
from core.passthrough import Upstream


async def open_session(caller: CallerDep) -> AsyncIterator[AsyncSession]:
    """One transaction for the request, which sees what its caller may see, and is audited if it changes something."""
    async with changing(caller, caller.within) as session:
        yield session


# "function": committed before the answer goes out, so that a failed commit is a 500 and not a lie.
SessionDep = Annotated[AsyncSession, Depends(open_session, scope="function")]

AfterId = Annotated[str | None, Query(max_length=500, description="id of an entry; the list starts behind it")]
IdempotencyKey = Annotated[
    str | None,
    Header(min_length=1, max_length=255, description="repeating a request with the same key and body changes nothing"),
]
Limit = Annotated[int, Query(ge=1, le=100, description="entries at most")]


def gateway(request: Request) -> Upstream:
    """The inference gateway, with the app's pool of connections."""
    upstream = request.app.state.gateway
    assert isinstance(upstream, Upstream)
    return upstream


GatewayDep = Annotated[Upstream, Depends(gateway)]
