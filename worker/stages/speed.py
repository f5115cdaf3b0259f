"""How fast the served model answers, to one client and to eight at once, as a client of the endpoint sees it.

Every request has the same size: PROMPT_TOKENS random tokens, new ones each time, since the server keeps beginnings that
it has seen, and exactly ANSWER_TOKENS of answer, whatever the model says; so models compare that would stop sooner or
later.  The number of requests is fixed, but on a slow server a phase ends early, by TIME_LIMIT_S.  Users' traffic at
the same time makes the figures worse, and nobody can tell from them.
"""

import asyncio
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from openai import AsyncOpenAI, BadRequestError
from transformers import PreTrainedTokenizerFast

from worker.stages.endpoint import Endpoint
from worker.stages.evaluate_run import EvaluationRun
from worker.stages.render import load_tokenizer

PROMPT_TOKENS, ANSWER_TOKENS = 128, 64
REQUESTS = {1: 4, 8: 16}
"""By the number of clients at once."""
TIME_LIMIT_S = 30
"""A client that has had its first answer begins no further request after that."""


@dataclass(frozen=True)
class Streamed:
    """One answer: seconds from the request to the first token, and from there to the last."""

    first_s: float
    rest_s: float
    tokens: int


@dataclass(frozen=True)
class Prompts:
    """Prompts of random tokens."""

    tokens: list[int]

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerFast) -> "Prompts":
        """Of all tokens that stand for text."""
        special = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
        return cls([token for token in range(tokenizer.vocab_size) if token not in special])

    def all(self) -> Iterator[list[int]]:
        """One after the other, without an end."""
        random = Random()
        while True:
            yield random.choices(self.tokens, k=PROMPT_TOKENS)


async def evaluate_speed(endpoint: Endpoint, spec: EvaluationRun) -> dict[str, Any] | None:
    """`speed` of the scores; None where the job leaves it out, or the endpoint refuses requests of that size."""
    if not spec.speed:
        return None
    asked = {"model": spec.model, "of": "speed"}
    found = endpoint.log.find(asked)
    if found is None:
        try:
            found = await measure_speed(endpoint.client, spec.model, load_tokenizer(spec.tokenizer))
        except BadRequestError as error:
            endpoint.run.emit("speed.skipped", why=f"the endpoint refuses its requests: {error}")
            return None
        endpoint.log.add(asked, found)
    return found


async def measure_speed(client: AsyncOpenAI, model: str, tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    """To one client and to eight."""
    prompts = Prompts.of(tokenizer).all()
    await asyncio.gather(*(_stream(client, model, next(prompts)) for _ in range(max(REQUESTS))))  # the warm-up
    phases = {}
    for clients, requests in REQUESTS.items():
        queue = [next(prompts) for _ in range(requests)]
        began = time.perf_counter()
        streamed = await asyncio.gather(*(_one_client(client, model, queue, began) for _ in range(clients)))
        phases[clients] = summarise_phase([one for each in streamed for one in each], time.perf_counter() - began)
    one, many = (phases[clients]["tokens_per_s"] for clients in (min(REQUESTS), max(REQUESTS)))
    return {
        "prompt_tokens": PROMPT_TOKENS,
        "answer_tokens": ANSWER_TOKENS,
        **{str(clients): phase for clients, phase in phases.items()},
        "gain": round(many / one, 2),
    }


def summarise_phase(streamed: list[Streamed], took_s: float) -> dict[str, Any]:
    """Tokens a second of all clients together, and the medians of the two times that a reader feels."""
    tokens = sum(one.tokens for one in streamed)
    per_token = [one.rest_s / (one.tokens - 1) for one in streamed if one.tokens > 1]
    return {
        "requests": len(streamed),
        "tokens_per_s": round(tokens / took_s, 1),
        "first_token_ms": round(1000 * statistics.median(one.first_s for one in streamed), 1),
        "token_ms": round(1000 * statistics.median(per_token), 2) if per_token else None,
    }


async def _one_client(client: AsyncOpenAI, model: str, queue: list[list[int]], began: float) -> list[Streamed]:
    """One answer after the other, from a queue that the clients share."""
    streamed: list[Streamed] = []
    while queue and not (streamed and time.perf_counter() - began > TIME_LIMIT_S):
        streamed.append(await _stream(client, model, queue.pop()))
    return streamed


async def _stream(client: AsyncOpenAI, model: str, prompt: list[int]) -> Streamed:
    sent = first = last = time.perf_counter()
    tokens = 0
    stream = await client.completions.create(
        model=model,
        prompt=prompt,
        max_tokens=ANSWER_TOKENS,
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
        extra_body={"ignore_eos": True, "min_tokens": ANSWER_TOKENS},
    )
    async for chunk in stream:
        if chunk.usage is not None:
            tokens = chunk.usage.completion_tokens
        if chunk.choices:
            last = time.perf_counter()
            first = last if first == sent else first
    return Streamed(first_s=first - sent, rest_s=last - first, tokens=tokens)
