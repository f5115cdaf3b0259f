"""Who calls: what the key of a request opens, and which project the request is about.

Every router but health has `needs(SCOPE)` as its dependency, so a route that forgets it has no `Caller`, and fails.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from core.access import Grant, Scope
from core.key_ring import KeyRing
from core.projects import DEFAULT

bearer = HTTPBearer(auto_error=False, description="the admin key (TUNESMITH_ADMIN_KEY), or one that POST /keys made")
ProjectHeader = Annotated[
    str | None,
    Header(
        alias="OpenAI-Project",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$",
        description="the project that the request is about, for a key of all projects; the OpenAI SDK sends it for "
        "`project=`.  A key of one project is about that one.",
    ),
]


@dataclass(frozen=True, slots=True)
class Caller:
    """A key, and the project of the request: `within` None is all of them, which only a key of none can ask for."""

    grant: Grant
    within: str | None

    @property
    def project(self) -> str:
        """Whose what the request makes will be."""
        return self.within or DEFAULT


def needs(scope: Scope) -> Callable[..., Awaitable[None]]:
    """The dependency that lets in keys with the scope only, and keeps the request's Caller."""

    async def check(
        request: Request,
        credentials: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)],
        project: ProjectHeader = None,
    ) -> None:
        grant = await grant_of(request)
        grant.require(scope)
        request.state.caller = Caller(grant, grant.within(project))

    return check


async def grant_of(request: Request) -> Grant:
    """What the key of the request opens; NotAuthenticated without a good one."""
    keys = request.app.state.keys
    assert isinstance(keys, KeyRing)
    return await keys.grant(request.headers.get("authorization", "").encode("latin-1"))


def caller_of(request: Request) -> Caller:
    """Of a request that was let in."""
    caller = request.state.caller
    assert isinstance(caller, Caller)
    return caller


CallerDep = Annotated[Caller, Depends(caller_of)]
