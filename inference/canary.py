"""Asks a model that was just loaded what it must be able to answer, before any user does.

Every model must give a few greedy tokens with finite probabilities.  One that a job made carries more
(`worker.stages.canary`): log-probabilities that were computed without vLLM, which stale or misread weights do not
reproduce, and prompts that it is known to answer with a function call, and without one.
"""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from core.errors import CheckpointRefused
from inference.control import EngineControl

PROMPT = "The capital of France is"
TOKENS = 8
ANSWER_TOKENS = 128
TIMEOUT_S = 60.0
Json = dict[str, Any]


class Canary:
    """The checks of one vLLM; each raises CheckpointRefused with what was asked and answered."""

    def __init__(self, control: EngineControl) -> None:
        self._control = control

    async def check(self, name: str, expected: Json | None) -> None:
        """Check what vLLM serves under `name`; UpstreamFailed when it does not answer."""
        expected = expected or {}
        tokens = expected.get("max_tokens", ANSWER_TOKENS)
        try:
            await asyncio.gather(
                self._answers(name),
                self._agrees(name, expected),
                _any_of("a function call", expected.get("calls", ()), lambda row: self._calls(name, row, tokens)),
                _any_of("no function call", expected.get("no_calls", ()), lambda row: self._leaves(name, row, tokens)),
            )
        except (LookupError, TypeError, ValueError) as error:
            raise CheckpointRefused(f"vLLM's answers to the canary cannot be read: {error!r}") from error

    async def _answers(self, name: str) -> None:
        choice = await self._complete(name, PROMPT, max_tokens=TOKENS, logprobs=1)
        logprobs = choice["logprobs"]["token_logprobs"]
        if choice["finish_reason"] not in ("stop", "length") or not all(math.isfinite(value) for value in logprobs):
            raise CheckpointRefused(f"the model does not answer {PROMPT!r} sanely: {choice}")

    async def _agrees(self, name: str, expected: Json) -> None:
        """The mean difference over all tokens of all sequences, which is how the tolerance was measured."""
        sequences = expected.get("sequences", ())
        if not sequences:
            return
        found = await asyncio.gather(*(self._differences(name, sequence) for sequence in sequences))
        differences = [difference for each in found for difference in each]
        mean, tolerance = sum(differences) / len(differences), expected["max_mean_difference"]
        if not mean <= tolerance:
            raise CheckpointRefused(
                f"vLLM's log-probabilities differ by {mean:.3f} nats a token from those of the merged weights, "
                f"and may differ by {tolerance:.3f}: what it has loaded is not this model"
            )

    async def _differences(self, name: str, sequence: Json) -> list[float]:
        ids = sequence["token_ids"]
        choice = await self._complete(name, ids, max_tokens=1, prompt_logprobs=0)
        served = (
            position[str(token)]["logprob"]
            for token, position in zip(ids[1:], choice["prompt_logprobs"][1:], strict=True)
        )
        return [abs(ours - theirs) for ours, theirs in zip(served, sequence["logprobs"], strict=True)]

    async def _calls(self, name: str, row: Json, tokens: int) -> str | None:
        message = await self._chat(name, row, tokens)
        offered = {tool["function"]["name"] for tool in row["tools"]}
        called = [call["function"] for call in message.get("tool_calls") or []]
        if called and all(each["name"] in offered and _is_object(each["arguments"]) for each in called):
            return None
        return f"{row['messages'][-1]['content']!r} was answered {_shown(message)}"

    async def _leaves(self, name: str, row: Json, tokens: int) -> str | None:
        message = await self._chat(name, row, tokens)
        if not message.get("tool_calls") and (message.get("content") or "").strip():
            return None
        return f"{row['messages'][-1]['content']!r} was answered {_shown(message)}"

    async def _chat(self, name: str, row: Json, tokens: int) -> Json:
        body = {"messages": row["messages"], "tools": row["tools"], "max_tokens": tokens}
        answer = await self._ask("/v1/chat/completions", name, body)
        message: Json = answer["choices"][0]["message"]
        return message

    async def _complete(self, name: str, prompt: str | list[int], **options: int) -> Json:
        answer = await self._ask("/v1/completions", name, {"prompt": prompt, **options})
        choice: Json = answer["choices"][0]
        return choice

    async def _ask(self, path: str, name: str, body: Json) -> Json:
        return await self._control.post(path, {"model": name, "temperature": 0, **body}, TIMEOUT_S)


async def _any_of(wanted: str, rows: Sequence[Json], check: Callable[[Json], Awaitable[str | None]]) -> None:
    """One good answer suffices: a good model may still get one of the rows wrong on other hardware."""
    wrong = []
    for row in rows:
        if (found := await check(row)) is None:
            return
        wrong.append(found)
    if wrong:
        raise CheckpointRefused(f"the model was to answer with {wanted}: {'; '.join(wrong)}")


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _shown(message: Json) -> str:
    return json.dumps(message.get("tool_calls") or message.get("content"))[:200]
