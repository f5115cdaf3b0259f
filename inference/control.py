"""Speaks to the plugin inside vLLM: stage, commit, roll back, load and unload adapters."""

from pathlib import Path
from typing import Any

import aiohttp

from core.errors import CheckpointRefused, ServiceError, UpstreamFailed
from inference.engine import Engine

EXCHANGE_TIMEOUT_S = 120.0
"""A commit copies weights from host memory, and everything that ran has ended before it: a second or two."""
READ_TIMEOUT_S = 1800.0
"""Of a large model on a slow disk."""
DEATH_NOTICED_WITHIN_S = 1.0
"""Whoever hears of a broken connection may stop or start vLLM: by then it is known whether vLLM ended by itself."""
# What a running server cannot take in place, though another one started on it can.
_NEEDS_RESTART = frozenset({"checkpoint_incompatible", "path_not_allowed", "adapters_off"})


class NeedsRestart(ServiceError):
    """The model may be good, but vLLM must be started anew to serve it."""


class ExchangeFailed(UpstreamFailed):
    """The weights could not be exchanged, and vLLM has put back those that were served before."""


class EngineControl:
    """The calls that change a running vLLM; every failure is a ServiceError, serving untouched if nothing is said."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def stage(self, path: Path) -> None:
        """Read and check a model while serving; CheckpointRefused or NeedsRestart."""
        await self.post("/v1/swap/stage", {"path": str(path)}, READ_TIMEOUT_S)

    async def commit(self) -> None:
        """Put the staged weights in place.  On an error but ExchangeFailed, nobody knows what is in place."""
        await self.post("/v1/swap/commit", {}, EXCHANGE_TIMEOUT_S)

    async def roll_back(self) -> None:
        """Put the weights before the last commit in place.  On an error nobody knows what is in place."""
        await self.post("/v1/swap/rollback", {}, EXCHANGE_TIMEOUT_S)

    async def discard(self) -> None:
        """Free what was staged."""
        await self.post("/v1/swap/discard", {}, EXCHANGE_TIMEOUT_S)

    async def sleep(self) -> int:
        """Give back the memory of weights and cache; the bytes that this freed, which may be none."""
        answer = await self.post("/v1/swap/sleep", {}, EXCHANGE_TIMEOUT_S)
        return int(answer["freed_bytes"])

    async def wake(self, path: Path) -> None:
        """Serve again, the weights in this folder; NeedsRestart or CheckpointRefused while it sleeps on."""
        await self.post("/v1/swap/wake", {"path": str(path)}, READ_TIMEOUT_S)

    async def load_adapter(self, name: str, path: Path) -> None:
        """Read and check an adapter, and serve it under `name`; CheckpointRefused or NeedsRestart."""
        await self.post("/v1/swap/adapters/load", {"name": name, "path": str(path)}, READ_TIMEOUT_S)

    async def unload_adapter(self, name: str) -> None:
        """Answer to the name no more; what runs with it ends as it would have."""
        await self.post("/v1/swap/adapters/unload", {"name": name}, EXCHANGE_TIMEOUT_S)

    async def post(self, path: str, body: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """vLLM's answer to a request of the gateway's own."""
        headers = {"authorization": f"Bearer {self._engine.api_key}"}
        timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=5)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(self._engine.base_url + path, json=body, headers=headers) as answer,
            ):
                content: dict[str, Any] = await answer.json(content_type=None)
        except TimeoutError as error:
            raise UpstreamFailed(
                f"vLLM did not answer {path} within {timeout_s:g} s: see {self._engine.log_path}"
            ) from error
        except (aiohttp.ClientError, ValueError) as error:
            await self._engine.death_noticed(DEATH_NOTICED_WITHIN_S)
            raise UpstreamFailed(f"vLLM did not answer {path} ({error!r}): see {self._engine.log_path}") from error
        if answer.status == 200:
            return content
        refusal = content.get("error", {})
        code, message = refusal.get("code"), str(refusal.get("message", content))
        if code in _NEEDS_RESTART:
            raise NeedsRestart(message)
        if code == "swap_failed":
            raise ExchangeFailed(message)
        raise (CheckpointRefused if answer.status == 422 else UpstreamFailed)(message)
