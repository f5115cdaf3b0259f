"""Speaks to the plugin inside vLLM: stage, commit, roll back, and check that what is served answers."""

import asyncio
import math
from pathlib import Path
from typing import Any

import aiohttp

from core.errors import CheckpointRefused, ServiceError, UpstreamFailed
from inference.engine import Engine
from inference.names import ENGINE_NAME

CHECK_PROMPT = "The capital of France is"
CHECK_TOKENS = 8
CHECK_TIMEOUT_S = 60.0
# What a running server cannot take in place, though another one started on it can.
_NEEDS_RESTART = frozenset({"checkpoint_incompatible", "path_not_allowed"})


class NeedsRestart(ServiceError):
    """The model may be good, but vLLM must be started anew to serve it."""


class EngineControl:
    """The calls that change or probe a running vLLM; every failure is a ServiceError."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def stage(self, path: Path) -> None:
        """Read and check a model while serving.  CheckpointRefused or NeedsRestart, with serving untouched."""
        await self._post("/v1/swap/stage", {"path": str(path)})

    async def commit(self) -> None:
        """Put the staged weights in place.  On an error the ones before are in place still."""
        await self._post("/v1/swap/commit", {})

    async def roll_back(self) -> None:
        """Put the weights before the last commit in place."""
        await self._post("/v1/swap/rollback", {})

    async def discard(self) -> None:
        """Free what was staged."""
        await self._post("/v1/swap/discard", {})

    async def check(self) -> None:
        """Ask for a few greedy tokens: they must come, with finite probabilities."""
        body = {
            "model": ENGINE_NAME,
            "prompt": CHECK_PROMPT,
            "max_tokens": CHECK_TOKENS,
            "temperature": 0,
            "logprobs": 1,
        }
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                answer = await self._post("/v1/completions", body)
        except TimeoutError:
            raise UpstreamFailed(f"vLLM gave no {CHECK_TOKENS} tokens within {CHECK_TIMEOUT_S:g} s") from None
        choice = answer["choices"][0]
        logprobs = choice["logprobs"]["token_logprobs"]
        if choice["finish_reason"] not in ("stop", "length") or not all(math.isfinite(value) for value in logprobs):
            raise CheckpointRefused(f"the model does not answer {CHECK_PROMPT!r} sanely: {choice}")

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {self._engine.api_key}"}
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, sock_connect=5)) as session,
                session.post(self._engine.base_url + path, json=body, headers=headers) as answer,
            ):
                content: dict[str, Any] = await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise UpstreamFailed(f"vLLM did not answer {path} ({error!r}): see {self._engine.log_path}") from error
        if answer.status == 200:
            return content
        refusal = content.get("error", {})
        code, message = refusal.get("code"), str(refusal.get("message", content))
        if code in _NEEDS_RESTART:
            raise NeedsRestart(message)
        raise (CheckpointRefused if answer.status == 422 else UpstreamFailed)(message)
