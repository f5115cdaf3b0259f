"""The gateway's HTTP surface: two completion endpoints, the model list, health and metrics; nothing else of vLLM."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from types import MappingProxyType
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from core import access
from core.db import in_thread
from core.errors import NotFound, ServiceError
from core.key_ring import KeyRing
from core.settings import Settings, get_settings
from inference.errors import render, render_http, render_unexpected
from inference.exchange import PROJECT_HEADER, REQUEST_ID_HEADER, request_id_of
from inference.metrics import CONTENT_TYPE, Metrics
from inference.parity_page import ParityPage
from inference.proxy import Completions
from inference.reconciler import Reconciler
from inference.routes import Routes

COMPLETIONS = ("/v1/chat/completions", "/v1/completions")
TOLD_TO_ANYBODY = {"engine", "waiting_because", "requests_inside"}
Page = Callable[[Request], Awaitable[Response]]
ALL_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]


class Gateway:
    """An ASGI application, Starlette's, and beside it `ways`: the completions, which go a short way of their own.

    `routes` say where names lead; `running` is entered when the application starts, and sets them; `state` is what
    `/health` tells; `for_workers` are pages that no client knows, with checks of their own.
    """

    def __init__(
        self,
        settings: Settings,
        routes: Routes,
        metrics: Metrics,
        keys: KeyRing,
        running: Callable[[], AbstractAsyncContextManager[None]] = contextlib.nullcontext,
        state: Callable[[], dict[str, Any]] = dict,
        for_workers: Mapping[str, Page] = MappingProxyType({}),
    ) -> None:
        self.routes = routes
        self.metrics = metrics
        self._keys = keys
        self._running = running
        self._state = state
        self._completions = Completions(routes, settings, metrics, keys)
        self.ways = dict.fromkeys(COMPLETIONS, self._completions.serve)
        """For `Connection`."""
        paths = {"/health": self._health, "/metrics": self._metrics, "/v1/models": self._models}
        self._pages = Starlette(
            routes=[
                *(Route(path, page) for path, page in paths.items()),
                *(Route(path, page, methods=["POST"]) for path, page in for_workers.items()),
                Route("/v1/{path:path}", self._unknown, methods=ALL_METHODS),
            ],
            lifespan=self._lifespan,
            exception_handlers={ServiceError: render, HTTPException: render_http, Exception: render_unexpected},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._pages(scope, receive, send)

    @contextlib.asynccontextmanager
    async def _lifespan(self, pages: Starlette) -> AsyncIterator[None]:
        async with self._running():
            yield
        self._completions.close()

    async def _health(self, request: Request) -> Response:
        """200 whenever the gateway is up, to anybody; `engine` is starting, idle, changing, serving or down.

        Which models it serves is told to those with a key of all projects only.
        """
        state = self._state()
        grant = self._keys.find(request.headers.get("authorization", "").encode("latin-1"))
        if grant is None or grant.project is not None:
            state = {name: state[name] for name in state.keys() & TOLD_TO_ANYBODY}
        return JSONResponse({"status": "ok", **state})

    async def _metrics(self, request: Request) -> Response:
        """For Prometheus.  They tell who serves what and how much, so they take a key, of all projects."""
        (await self._grant(request)).require_every_project()
        return Response(self.metrics.page(), media_type=CONTENT_TYPE)

    async def _models(self, request: Request) -> Response:
        """The names that are answered to; an empty list when no model is live."""
        grant = await self._grant(request)
        project = grant.within(request.headers.get(PROJECT_HEADER.decode()))
        name = REQUEST_ID_HEADER.decode()
        request_id = request_id_of(request.headers.get(name, "").encode("latin-1"))
        return JSONResponse(self.routes.table.listing(project), headers={name: request_id.decode()})

    async def _unknown(self, request: Request) -> Response:
        """Everything else below /v1; vLLM's other paths are not for clients."""
        await self._grant(request)
        raise NotFound(
            f"{request.method} {request.url.path} does not exist here: there are POST /v1/chat/completions, "
            "POST /v1/completions and GET /v1/models"
        )

    async def _grant(self, request: Request) -> access.Grant:
        grant = await self._keys.grant(request.headers.get("authorization", "").encode("latin-1"))
        grant.require(access.Scope.INFER)
        return grant


def create_app(settings: Settings | None = None) -> Gateway:
    """The gateway; vLLM runs for as long as the application does."""
    chosen = settings or get_settings()
    routes, metrics, keys = Routes(chosen.gate_timeout_s), Metrics(), KeyRing(chosen, in_thread)
    reconciler = Reconciler(routes, chosen, metrics)
    pages = {"/parity": ParityPage(reconciler.fleet, keys).answer}
    return Gateway(chosen, routes, metrics, keys, lambda: following(reconciler, keys), reconciler.fleet.shown, pages)


@contextlib.asynccontextmanager
async def following(reconciler: Reconciler, keys: KeyRing) -> AsyncIterator[None]:
    """The reconciler at work, and the keys followed; at the end every vLLM is stopped."""
    loops = [
        asyncio.create_task(reconciler.run(), name="reconciler"),
        asyncio.create_task(keys.follow(), name="keys"),
    ]
    try:
        yield
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        await reconciler.fleet.stop()
