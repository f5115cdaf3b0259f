"""Who calls: what the key of a request opens, and which project the request is about.

Every router but health has `needs(SCOPE)` as its dependency, so a route that forgets it has no `Caller`, and fails.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from core.access import Grant, Scope
from core.audit import Change
from core.key_ring import KeyRing
from core.projects import DEFAULT

bearer = HTTPBearer(auto_error=False, description="the admin key (TUNESMITH_ADMIN_KEY), or one that POST /keys made")
CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
ProjectHeader = Annotated[
    str | None,
    Header(
        alias="OpenAI-Project",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$",
        description="the project that the request is about, for a key of all projects; the OpenAI SDK sends it for "
        "`project=`.  A key of one project is about that one.",
    ),
]


@dataclass(slots=True)
class Caller:
    """A key, and the project of the request: `within` None is all of them, which only a key of none can ask for.

    `change` is what the audit log will say of a request that changes something, and `changed` the id or the name of
    what it changed: that in its path, or what the route says.  A request that changed nothing leaves it None.
    """

    grant: Grant
    within: str | None
    change: Change | None = None
    changed: str | None = None

    @property
    def project(self) -> str:
        """Whose what the request makes will be."""
        return self.within or DEFAULT


def _change(request: Request, grant: Grant, within: str | None) -> Change | None:
    if request.method not in CHANGING:
        return None
    route = request.scope["route"]
    # A route knows its path below the prefix of its router only.
    prefix = request.scope["path"].removesuffix(route.path_format.format(**request.path_params))
    action = f"{request.method} {prefix}{route.path}"
    address = request.client.host if request.client else None
    return Change(within, grant.label, action, request.headers["x-request-id"], address)


def needs(scope: Scope) -> Callable[..., Awaitable[None]]:
    """The dependency that lets in keys with the scope only, and keeps the request's Caller."""

    async def check(
        request: Request,
        credentials: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)],
        project: ProjectHeader = None,
    ) -> None:
        grant = await grant_of(request)
        within = grant.project or project
        named = "/".join(request.path_params.values()) or None
        # At once: a refusal is told of as well.
        request.state.caller = Caller(grant, within, _change(request, grant, within), named)
        grant.require(scope)
        grant.within(project)
        if grant.limits and scope != Scope.INFER:  # the gateway counts what goes there
            request.app.state.rates.admit(grant.limits)

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
