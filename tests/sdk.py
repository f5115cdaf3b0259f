"""OpenAI's SDK as it is installed, its synchronous client and its asynchronous one, called in the same way."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from openai import AsyncOpenAI, OpenAI


class Sdk:
    """`sdk(sdk.client.files.retrieve(…))` is the answer, whichever client it is; `sdk.all(…)` is a whole list."""

    def __init__(self, *, is_async: bool, url: str, key: str, **options: Any) -> None:
        kind = AsyncOpenAI if is_async else OpenAI
        self.client: Any = kind(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=60, **options)
        self._runner = asyncio.Runner()

    def __call__(self, answer: Any) -> Any:
        return self._runner.run(_result(answer)) if isinstance(answer, Awaitable) else answer

    def all(self, pages: Any) -> list[Any]:
        return self._runner.run(_all(pages)) if hasattr(pages, "__aiter__") else list(pages)

    def close(self) -> None:
        self(self.client.close())
        self._runner.close()


async def _result(answer: Awaitable[Any]) -> Any:
    return await answer


async def _all(pages: Any) -> list[Any]:
    return [item async for item in pages]
