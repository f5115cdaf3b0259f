"""The FastAPI application: routes, middleware, errors, and what lives as long as the process."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from anyio import CapacityLimiter
from fastapi import Depends, FastAPI

from api import db
from api.access import needs
from api.doorbell import Rings
from api.errors import OPENAI, add_error_handlers
from api.middleware import BodyLimit, RequestEdge
from api.openai.routes import absent as openai_absent
from api.openai.routes import files as openai_files
from api.openai.routes import jobs as openai_jobs
from api.openai.routes import models as openai_models
from api.routes import (
    artefacts,
    audit,
    deployments,
    events,
    files,
    health,
    inference,
    jobs,
    keys,
    models,
    preflights,
    queues,
    results,
    scorecards,
    storage,
)
from api.schemas.errors import ErrorBody
from api.storage_meter import StorageMeter
from core.access import Scope
from core.key_ring import KeyRing
from core.passthrough import Upstream
from core.rate_limits import RateLimits
from core.settings import get_settings

DESCRIPTION = "Fine-tune a model on your own GPUs and serve it on an OpenAI-compatible endpoint."
ERRORS: dict[int | str, dict[str, Any]] = {
    401: {"model": ErrorBody, "description": "No API key, or a wrong one"},
    403: {"model": ErrorBody, "description": "A key that does not open this"},
    429: {"model": ErrorBody, "description": "The requests of this minute are used up; `Retry-After` says until when"},
    422: {"model": ErrorBody, "description": "The request names a thing that is not possible"},
    500: {"model": ErrorBody, "description": "Unexpected; the log has the request id"},
}
ROUTES = {
    Scope.TRAIN: (preflights, jobs, files, events, results, scorecards, models, deployments, artefacts),
    Scope.ADMIN: (keys, queues, storage, audit),
    Scope.INFER: (inference,),
}
"""What each scope opens; admin opens all of it."""
OPENAI_ROUTES = {
    Scope.TRAIN: (openai_files.router, openai_jobs.router, openai_models.removal, openai_absent.router),
    Scope.INFER: (openai_models.router,),
}
OPENAI_ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorBody, "description": "What is a 422 elsewhere: the request names a thing that is not possible"},
}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Hold the connections to the gateway and to Postgres, and bound the threads of slow work."""
    app.state.scans, app.state.rings = CapacityLimiter(2), Rings()
    app.state.storage_meter = StorageMeter()
    app.state.gateway = Upstream(get_settings().inference_url, name="the inference gateway")
    app.state.rates = RateLimits()
    app.state.keys = KeyRing(get_settings(), db.in_transaction)
    following = asyncio.create_task(app.state.keys.follow(), name="keys")
    # What start-up made stays; leaving it out of every collection halves p99.
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        following.cancel()
        await app.state.gateway.close()
        await db.dispose()


def create_app() -> FastAPI:
    """The application; it opens nothing before it is started."""
    app = FastAPI(title="Tunesmith", description=DESCRIPTION, version="0.1.0", lifespan=lifespan, responses=ERRORS)
    app.state.is_stopping = lambda: False
    upload_paths = (files.router.prefix, f"{OPENAI}{openai_files.router.prefix}")
    app.add_middleware(BodyLimit, limit_bytes=get_settings().max_body_bytes, upload_paths=upload_paths)
    app.add_middleware(RequestEdge)
    add_error_handlers(app)
    app.include_router(health.router)
    for scope, those in ROUTES.items():
        for routes in those:
            app.include_router(routes.router, dependencies=[Depends(needs(scope))])
    for scope, routers in OPENAI_ROUTES.items():
        for router in routers:
            app.include_router(router, prefix=OPENAI, dependencies=[Depends(needs(scope))], responses=OPENAI_ERRORS)
    return app
