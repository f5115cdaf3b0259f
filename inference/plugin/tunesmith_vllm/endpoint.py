"""The swap over HTTP, for the gateway alone: below /v1, so vLLM's --api-key guards it, on a loopback port.

GET  /v1/swap                   what is served, what is staged
POST /v1/swap/stage             {"path": …}: read and check while serving; 422 with the reason
POST /v1/swap/commit            pause, copy, clear the prefix cache, resume
POST /v1/swap/rollback          the same, back to the weights served before
POST /v1/swap/discard           free what was staged
POST /v1/swap/sleep             give the memory of weights and cache back; says how much that was
POST /v1/swap/wake              {"path": …}: take it again, with the weights of this folder
POST /v1/swap/adapters/load     {"name": …, "path": …}: serve a LoRA adapter of the served weights under the name
POST /v1/swap/adapters/unload   {"name": …}
"""

import asyncio
from argparse import Namespace
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse
from vllm.entrypoints.serve.lora.protocol import LoadLoRAAdapterRequest, UnloadLoRAAdapterRequest

from tunesmith_vllm.adapter import check_adapter
from tunesmith_vllm.checkpoint import Incompatible, Refused, read
from tunesmith_vllm.generation import apply_generation_config
from tunesmith_vllm.parity import router as parity_router
from tunesmith_vllm.paths import NotAllowed, confined, roots_of
from tunesmith_vllm.validate import check_compatible, check_tensors

POLL_S = 0.02
router = APIRouter(prefix="/v1/swap")


class SwapEndpoint:
    """vLLM's endpoint plugin."""

    name = "tunesmith"
    required_tasks = ("generate",)

    def attach_router(self, app: FastAPI) -> None:
        """Add the routes."""
        app.include_router(router)
        app.include_router(parity_router)

    async def init_state(self, engine_client: Any, state: Any, args: Namespace) -> None:
        """Keep the engine; reading the served checkpoint now makes a later swap independent of its folder."""
        state.swap_engine = engine_client
        state.swap_lock = asyncio.Lock()
        state.swap_roots = roots_of(engine_client.vllm_config.additional_config["swap_roots"])
        state.swap_checkpoint = await asyncio.to_thread(read, Path(engine_client.vllm_config.model_config.model))
        state.swap_adapters = {}
        await _status(engine_client)


@router.get("")
async def status(request: Request) -> JSONResponse:
    """What is served, and how far the staging is."""
    return JSONResponse(await _status(request.app.state.swap_engine))


@router.post("/stage")
async def stage(request: Request) -> JSONResponse:
    """Answers when the checkpoint is staged, or refused."""
    state = request.app.state
    try:
        path = confined((await request.json())["path"], state.swap_roots)
    except (NotAllowed, Refused) as refusal:
        return _refusal(refusal)
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
    """Put the staged weights in place; `swap_failed` means that those served before are in place."""
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


@router.post("/sleep")
async def sleep(request: Request) -> JSONResponse:
    """Give back what can be: on a CPU that is nothing, though vLLM answers as if it were."""
    state = request.app.state
    async with state.swap_lock:
        before = sum(await state.swap_engine.collective_rpc("swap_free_bytes"))
        await state.swap_engine.sleep(level=2, mode="wait")
        freed = sum(await state.swap_engine.collective_rpc("swap_free_bytes")) - before
    return JSONResponse({"freed_bytes": freed})


@router.post("/wake")
async def wake(request: Request) -> JSONResponse:
    """Serve again, with the weights of a folder that is checked before anything is done."""
    state, body = request.app.state, await request.json()
    engine = state.swap_engine
    async with state.swap_lock:
        try:
            path = confined(body["path"], state.swap_roots)
            new = await asyncio.to_thread(read, path)
            check_compatible(state.swap_checkpoint, new)
            check_tensors(state.swap_checkpoint, new)
        except (NotAllowed, Refused, Incompatible) as refusal:
            return _refusal(refusal)
        await engine.wake_up(["weights"])
        await engine.collective_rpc("swap_restore", args=(str(path),))
        await engine.wake_up(["kv_cache"])
        cleared = await engine.reset_prefix_cache(reset_running_requests=True)
        await _use_generation_config(state)
    if not cleared:
        return _error(500, "engine_unsure", "the prefix cache could not be cleared")
    return JSONResponse(await _status(engine))


@router.post("/adapters/load")
async def load_adapter(request: Request) -> JSONResponse:
    """Check and load an adapter while serving; 422 with the reason, serving untouched."""
    state, body = request.app.state, await request.json()
    lora = state.swap_engine.vllm_config.lora_config
    if lora is None:
        return _error(422, "adapters_off", "this vLLM was started without adapters")
    async with state.swap_lock:
        try:
            path = confined(body["path"], state.swap_roots)
            rank = await asyncio.to_thread(check_adapter, path, state.swap_checkpoint)
        except (NotAllowed, Refused) as refusal:
            return _refusal(refusal)
        if rank > lora.max_lora_rank:
            message = f"{path} has rank {rank}, and this vLLM was started for ranks up to {lora.max_lora_rank}"
            return _error(422, "adapters_off", message)
        wanted = LoadLoRAAdapterRequest(lora_name=body["name"], lora_path=str(path))
        refused = await state.openai_serving_models.load_lora_adapter(wanted)
        if not isinstance(refused, str):
            return _error(422, "checkpoint_refused", f"vLLM cannot load {path}: {refused.error.message}")
        state.swap_adapters[body["name"]] = path
        await _use_generation_config(state)
        return JSONResponse({"adapters": sorted(state.swap_adapters)})


@router.post("/adapters/unload")
async def unload_adapter(request: Request) -> JSONResponse:
    """Answer to the name no more; requests that run with it end as they would have."""
    state, body = request.app.state, await request.json()
    async with state.swap_lock:
        if state.swap_adapters.pop(body["name"], None) is not None:
            await state.openai_serving_models.unload_lora_adapter(UnloadLoRAAdapterRequest(lora_name=body["name"]))
            await _use_generation_config(state)
        return JSONResponse({"adapters": sorted(state.swap_adapters)})


async def _exchange(state: Any, method: str) -> JSONResponse:
    engine = state.swap_engine
    async with state.swap_lock, _paused(engine):
        before = (await _status(engine))["served"]
        results = await engine.collective_rpc(method)
        failures = sorted({result["message"] for result in results if result["state"] != "committed"})
        if failures:
            # One worker may hold the new weights while another has restored the old ones.
            await engine.collective_rpc("swap_restore", args=(before,))
        # Nothing ran since the pause cleared the cache; this says so once more, and fails loudly if it cannot.
        cleared = await engine.reset_prefix_cache(reset_running_requests=True)
        await _use_generation_config(state)
    if not cleared:
        return _error(500, "engine_unsure", "the prefix cache could not be cleared")
    if failures:
        return _error(500, "swap_failed", "; ".join(failures))
    return JSONResponse(await _status(engine))


async def _use_generation_config(state: Any) -> None:
    served = (await _status(state.swap_engine))["served"]
    apply_generation_config(state.swap_engine, state, served, state.swap_adapters.values())


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


def _refusal(reason: NotAllowed | Refused | Incompatible) -> JSONResponse:
    if isinstance(reason, NotAllowed):
        return _error(403, "path_not_allowed", str(reason))
    if isinstance(reason, Incompatible):
        return _error(422, "checkpoint_incompatible", str(reason))
    return _error(422, "checkpoint_refused", str(reason))


def _error(status_code: int, code: str, message: str) -> JSONResponse:
    kind = "server_error" if status_code >= 500 else "invalid_request_error"
    error = {"message": message, "type": kind, "param": None, "code": code}
    return JSONResponse({"error": error}, status_code)
