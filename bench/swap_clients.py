"""Clients that stream one greedy answer after another, each with the next prompt, and keep every one of them."""

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile

import aiohttp

from bench.deploying import ALIAS
from bench.waiting import wait_until

MAX_TOKENS = 128
AGAIN_AFTER_S = 0.05
"""A client whose request failed sends the next one after this long."""
TIMEOUT_S = 200
MODEL_HEADER = "x-tunesmith-model-version"


@dataclass
class Answer:
    """What one request came to; times are of the monotonic clock.  `failure` is None for a complete answer."""

    client: int
    prompt: str
    sent_s: float
    first_s: float | None = None
    """When the first of its text came."""
    ended_s: float = 0.0
    version: str | None = None
    text: str = ""
    failure: str | None = "the stream ended early"

    @property
    def waited_s(self) -> float:
        """From sending it to the first of its text, or to its end."""
        return (self.ended_s if self.first_s is None else self.first_s) - self.sent_s


class Clients:
    """So many clients of one endpoint, in a thread of their own."""

    def __init__(self, url: str, key: str, prompts: Sequence[str], count: int) -> None:
        self.answers: list[Answer] = []
        """Complete and failed ones, in the order of their ends."""
        self._url, self._key, self._prompts, self._count = url, key, prompts, count
        self._stop = threading.Event()

    @contextmanager
    def running(self) -> Iterator["Clients"]:
        """They stream until the end of the block, and end the answers that they have begun."""
        with ThreadPoolExecutor(1, "clients") as pool:
            done = pool.submit(lambda: asyncio.run(self._stream_all()))
            try:
                yield self
            finally:
                self._stop.set()
                done.result()

    def wait_for_each(
        self, times: int = 1, since_s: float = 0.0, version: str | None = None, within_s: float = 120
    ) -> list[Answer]:
        """Wait until every prompt, sent after `since_s`, was answered so often by the version; those answers."""
        wait_until(lambda: self._times(since_s, version) >= times, within_s)
        return self._sent_after(since_s, version)

    def overlapping(self, began_s: float, ended_s: float) -> list[Answer]:
        """Those that were under way at any time between the two."""
        return [answer for answer in self.answers if answer.ended_s >= began_s and answer.sent_s <= ended_s]

    def _times(self, since_s: float, version: str | None) -> int:
        """How often the prompt was answered that was so least often."""
        counts = Counter(answer.prompt for answer in self._sent_after(since_s, version))
        return min(counts[prompt] for prompt in self._prompts)

    def _sent_after(self, since_s: float, version: str | None) -> list[Answer]:
        recent = takewhile(lambda answer: answer.ended_s >= since_s, reversed(self.answers))
        return [a for a in recent if a.sent_s >= since_s and a.failure is None and version in (None, a.version)]

    async def _stream_all(self) -> None:
        headers = {"authorization": f"Bearer {self._key}"}
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with aiohttp.ClientSession(self._url, headers=headers, timeout=timeout) as session:
            await asyncio.gather(*(self._stream(session, number) for number in range(self._count)))

    async def _stream(self, session: aiohttp.ClientSession, client: int) -> None:
        turn = client * len(self._prompts) // self._count
        while not self._stop.is_set():
            answer = Answer(client, self._prompts[turn % len(self._prompts)], time.monotonic())
            try:
                await _ask(session, answer)
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
                answer.failure = repr(error)
            answer.ended_s = time.monotonic()
            self.answers.append(answer)
            turn += 1
            if answer.failure is not None:
                await asyncio.sleep(AGAIN_AFTER_S)


async def _ask(session: aiohttp.ClientSession, answer: Answer) -> None:
    body = {
        "model": ALIAS,
        "prompt": answer.prompt,
        "max_tokens": MAX_TOKENS,
        "temperature": 0,
        "ignore_eos": True,
        "stream": True,
    }
    async with session.post("/v1/completions", json=body) as response:
        answer.version = response.headers.get(MODEL_HEADER)
        if response.status != 200:
            answer.failure = f"HTTP {response.status}: {(await response.text())[:200]}"
            return
        ended_by = None
        async for line in response.content:
            event = line.removeprefix(b"data:").strip()
            if event == b"[DONE]":
                answer.failure = None if ended_by == "length" else f"ended by {ended_by}"
            elif event:
                content = json.loads(event)
                if "error" in content:
                    answer.failure = f"an error event: {content['error']}"
                    return
                for choice in content["choices"]:
                    if choice["text"] and answer.first_s is None:
                        answer.first_s = time.monotonic()
                    answer.text += choice["text"]
                    ended_by = choice["finish_reason"] or ended_by
