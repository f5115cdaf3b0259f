"""The FastAPI application: routes, middleware, errors, and what lives as long as the process."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from anyio import CapacityLimiter
from fastapi import Depends, FastAPI

from api import db
from api.deps import require_inference_key, require_key
from api.doorbell import Rings
from api.errors import add_error_handlers
from api.middleware import BodyLimit, RequestEdge
from api.routes import (
    deployments,
    events,
    files,
    health,
    inference,
    jobs,
    models,
    preflights,
    queues,
    results,
    storage,
)
from api.schemas.errors import ErrorBody
from api.storage_meter import StorageMeter
from core.passthrough import Upstream
from core.settings import get_settings

DESCRIPTION = "Fine-tune a model on your own GPUs and serve it on an OpenAI-compatible endpoint."
ERRORS: dict[int | str, dict[str, Any]] = {
    401: {"model": ErrorBody, "description": "No API key, or a wrong one"},
    422: {"model": ErrorBody, "description": "The request names a thing that is not possible"},
    500: {"model": ErrorBody, "description": "Unexpected; the log has the request id"},
}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Hold the connections to the gateway and to Postgres, and bound the threads of slow work."""
    app.state.scans, app.state.rings = CapacityLimiter(2), Rings()
    app.state.storage_meter = StorageMeter()
    app.state.gateway = Upstream(get_settings().inference_url, name="the inference gateway")
    # What start-up made stays; leaving it out of every collection halves p99.
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        await app.state.gateway.close()
        await db.dispose()


def create_app() -> FastAPI:
    """The application; it opens nothing before it is started."""
    app = FastAPI(title="Tunesmith", description=DESCRIPTION, version="0.1.0", lifespan=lifespan, responses=ERRORS)
    app.state.is_stopping = lambda: False
    app.add_middleware(BodyLimit, limit_bytes=get_settings().max_body_bytes, upload_paths=(files.router.prefix,))
    app.add_middleware(RequestEdge)
    add_error_handlers(app)
    app.include_router(health.router)
    for routes in (preflights, jobs, files, queues, events, results, storage, models, deployments):
        app.include_router(routes.router, dependencies=[Depends(require_key)])
    app.include_router(inference.router, dependencies=[Depends(require_inference_key)])
    return app
