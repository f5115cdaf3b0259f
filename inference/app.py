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
from core.passthrough import Upstream
from core.settings import Settings, get_settings
from inference.engine import Engine
from inference.errors import render, render_http, render_unexpected
from inference.gate import Gate
from inference.proxy import REQUEST_ID_HEADER, Completions, Endpoint, request_id_of
from inference.reconciler import Reconciler

LOADING = "the gateway is starting"
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
        async with serving(chosen, key) as endpoint:
            app.state.endpoint = endpoint
            completions = Completions(endpoint)
            for path in ("/v1/chat/completions", "/v1/completions"):
                app.router.routes.insert(0, Route(path, completions, methods=["POST"]))
            yield

    handlers = {ServiceError: render, HTTPException: render_http, Exception: render_unexpected}
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers)


@contextlib.asynccontextmanager
async def serving(settings: Settings, key: str) -> AsyncIterator[Endpoint]:
    """The endpoint with its reconciler at work; at the end vLLM is stopped."""
    gate = Gate(settings.gate_timeout_s, closed_for=LOADING)
    engine = Engine(settings, on_death=lambda: reconciler.wake())
    upstream = Upstream(engine.base_url, name="vLLM")
    endpoint = Endpoint(gate, engine, upstream, key, settings.max_body_bytes)
    reconciler = Reconciler(endpoint, settings)
    loop = asyncio.create_task(reconciler.run(), name="reconciler")
    try:
        yield endpoint
    finally:
        loop.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await loop
        await engine.stop()
        await upstream.close()


async def health(request: Request) -> Response:
    """200 whenever the gateway is up; `engine` is serving, changing, down or idle."""
    endpoint: Endpoint = request.app.state.endpoint
    served = endpoint.served
    body = {
        "status": "ok",
        "engine": engine_state(endpoint),
        "waiting_because": endpoint.gate.closed_for,
        "requests_inside": endpoint.gate.inside,
        "model": served.model_id if served else None,
        "aliases": sorted(served.aliases) if served else [],
    }
    return JSONResponse(body)


def engine_state(endpoint: Endpoint) -> str:
    """One word for `/health`."""
    if not endpoint.engine.running:
        return "idle" if endpoint.served is None and endpoint.gate.closed_for is None else "down"
    if endpoint.served is None:
        return "starting"
    return "serving" if endpoint.gate.closed_for is None else "changing"


async def list_models(request: Request) -> Response:
    """The names that the live model answers to; an empty list when there is none."""
    endpoint: Endpoint = request.app.state.endpoint
    endpoint.authorize(request)
    listing = endpoint.served.listing() if endpoint.served else {"object": "list", "data": []}
    return JSONResponse(listing, headers={REQUEST_ID_HEADER: request_id_of(request)})


async def unknown(request: Request) -> Response:
    """Everything else below /v1; vLLM's other paths are not for clients."""
    endpoint: Endpoint = request.app.state.endpoint
    endpoint.authorize(request)
    raise NotFound(
        f"{request.method} {request.url.path} does not exist here: there are POST /v1/chat/completions, "
        "POST /v1/completions and GET /v1/models"
    )
