"""The swap over HTTP, for the gateway alone: below /v1, so vLLM's --api-key guards it, on a loopback port.

GET  /v1/swap            what is served, what is staged
POST /v1/swap/stage      {"path": …}: read and check while serving; 422 with the reason
POST /v1/swap/commit     pause, copy, clear the prefix cache, resume
POST /v1/swap/rollback   the same, back to the weights served before
POST /v1/swap/discard    free what was staged
"""

import asyncio
import os
from argparse import Namespace
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse

from tunesmith_vllm.generation import apply_generation_config

POLL_S = 0.02
router = APIRouter(prefix="/v1/swap")


class SwapEndpoint:
    """vLLM's endpoint plugin."""

    name = "tunesmith"
    required_tasks = ("generate",)

    def attach_router(self, app: FastAPI) -> None:
        """Add the routes."""
        app.include_router(router)

    async def init_state(self, engine_client: Any, state: Any, args: Namespace) -> None:
        """Keep the engine; reading the served checkpoint now makes a later swap independent of its folder."""
        state.swap_engine = engine_client
        state.swap_lock = asyncio.Lock()
        state.swap_roots = [_real(root) for root in engine_client.vllm_config.additional_config["swap_roots"]]
        await _status(engine_client)


@router.get("")
async def status(request: Request) -> JSONResponse:
    """What is served, and how far the staging is."""
    return JSONResponse(await _status(request.app.state.swap_engine))


@router.post("/stage")
async def stage(request: Request) -> JSONResponse:
    """Answers when the checkpoint is staged, or refused."""
    state = request.app.state
    path = _real((await request.json())["path"])
    if not any(path.is_relative_to(root) for root in state.swap_roots):
        return _error(403, "path_not_allowed", f"{path} lies outside of the folders this server may load from")
    if state.swap_lock.locked():
        return _error(409, "swap_under_way", "another swap is under way: wait for it to end")
    async with state.swap_lock:
        await state.swap_engine.collective_rpc("swap_stage", args=(str(path),))
        found = await _status(state.swap_engine)
        while found["state"] == "staging":
            await asyncio.sleep(POLL_S)
            found = await _status(state.swap_engine)
    if found["state"] == "staged":
        return JSONResponse(found)
    return _error(422, f"checkpoint_{found['state']}", found["message"])


@router.post("/commit")
async def commit(request: Request) -> JSONResponse:
    """Put the staged weights in place; a 500 means that the weights served before are in place still."""
    return await _exchange(request.app.state, "swap_commit")


@router.post("/rollback")
async def rollback(request: Request) -> JSONResponse:
    """Put the weights served before the last commit in place."""
    return await _exchange(request.app.state, "swap_rollback")


@router.post("/discard")
async def discard(request: Request) -> JSONResponse:
    """Free what was staged."""
    state = request.app.state
    async with state.swap_lock:
        await state.swap_engine.collective_rpc("swap_discard")
        return JSONResponse(await _status(state.swap_engine))


async def _exchange(state: Any, method: str) -> JSONResponse:
    engine = state.swap_engine
    async with state.swap_lock, _paused(engine):
        results = await engine.collective_rpc(method)
        # Nothing ran since the pause cleared the cache; this says so once more, and fails loudly if it cannot.
        cleared = await engine.reset_prefix_cache(reset_running_requests=True)
        found = await _status(engine)
        apply_generation_config(engine, state, found["served"])
    failures = [result["message"] for result in results if result["state"] != "committed"]
    if failures:
        return _error(500, "swap_failed", "; ".join(sorted(set(failures))))
    if not cleared:
        return _error(500, "swap_failed", "the prefix cache could not be cleared")
    return JSONResponse(found)


@asynccontextmanager
async def _paused(engine: Any) -> AsyncIterator[None]:
    """Nothing is generated inside of the block.  Running requests end first: vLLM's own default aborts them."""
    await engine.pause_generation(mode="wait", clear_cache=True)
    try:
        yield
    finally:
        await engine.resume_generation()


async def _status(engine: Any) -> dict[str, str]:
    """The workers' status: the first one that is not like the rest, so that one failure counts for all."""
    found: list[dict[str, str]] = await engine.collective_rpc("swap_status")
    for state in ("staging", "refused", "incompatible", "failed", "idle"):
        for status in found:
            if status["state"] == state:
                return status
    return found[0]


def _real(path: str) -> Path:
    return Path(os.path.realpath(path))


def _error(status_code: int, code: str, message: str) -> JSONResponse:
    kind = "server_error" if status_code >= 500 else "invalid_request_error"
    error = {"message": message, "type": kind, "param": None, "code": code}
    return JSONResponse({"error": error}, status_code)
