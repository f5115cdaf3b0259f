"""The gateway's HTTP surface: health, the model list, and the two completion endpoints, nothing else."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core.errors import NotFound, ServiceError
from core.settings import Settings, get_settings
from inference.errors import render, render_http, render_unexpected
from inference.fleet import Fleet
from inference.proxy import REQUEST_ID_HEADER, Completions, Endpoint, request_id_of
from inference.reconciler import Reconciler
from inference.routes import Routes

ALL_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]


def create_app(settings: Settings | None = None) -> Starlette:
    """The gateway; vLLM runs for as long as the application does."""
    chosen = settings or get_settings()
    key = chosen.require_admin_key()
    routes = [
        Route("/health", health),
        Route("/v1/models", list_models),
        Route("/v1/{path:path}", unknown, methods=ALL_METHODS),
    ]

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with serving(chosen, key) as (endpoint, fleet):
            app.state.endpoint, app.state.fleet = endpoint, fleet
            completions = Completions(endpoint)
            for path in ("/v1/chat/completions", "/v1/completions"):
                app.router.routes.insert(0, Route(path, completions, methods=["POST"]))
            yield

    handlers = {ServiceError: render, HTTPException: render_http, Exception: render_unexpected}
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers)


@contextlib.asynccontextmanager
async def serving(settings: Settings, key: str) -> AsyncIterator[tuple[Endpoint, Fleet]]:
    """The endpoint with its reconciler at work; at the end every vLLM is stopped."""
    routes = Routes(settings.gate_timeout_s)
    endpoint = Endpoint(routes, key, settings.max_body_bytes)
    reconciler = Reconciler(routes, settings)
    loop = asyncio.create_task(reconciler.run(), name="reconciler")
    try:
        yield endpoint, reconciler.fleet
    finally:
        loop.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await loop
        await reconciler.fleet.stop()
        await endpoint.close()


async def health(request: Request) -> Response:
    """200 whenever the gateway is up; `engine` is serving, changing, starting, down or idle."""
    return JSONResponse({"status": "ok", **request.app.state.fleet.shown()})


async def list_models(request: Request) -> Response:
    """The names that the live model answers to; an empty list when there is none."""
    endpoint: Endpoint = request.app.state.endpoint
    endpoint.authorize(request)
    return JSONResponse(endpoint.routes.table.listing(), headers={REQUEST_ID_HEADER: request_id_of(request)})


async def unknown(request: Request) -> Response:
    """Everything else below /v1; vLLM's other paths are not for clients."""
    endpoint: Endpoint = request.app.state.endpoint
    endpoint.authorize(request)
    raise NotFound(
        f"{request.method} {request.url.path} does not exist here: there are POST /v1/chat/completions, "
        "POST /v1/completions and GET /v1/models"
    )
