"""What clients of the endpoint do: greedy questions, and streams that go on while models change."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import openai

from tests.inference.gateway import ALIAS, Gateway
from tests.waiting import wait_until

PROMPTS = [f"The {thing} is on the table, and the cat sees it. " * 6 for thing in ("book", "cup", "lamp", "key")]


def greedy(gateway: Gateway, prompt: str, model: str = ALIAS) -> str:
    """What a model answers without chance."""
    with gateway.client as client:
        answer = client.completions.create(model=model, prompt=prompt, max_tokens=24, temperature=0)
    return str(answer.choices[0].text)


def greedy_all(gateway: Gateway, model: str = ALIAS) -> list[str]:
    """Its answers to all prompts, whose prefixes vLLM has in its cache the second time."""
    return [greedy(gateway, prompt, model) for prompt in PROMPTS]


class Streams:
    """Clients that stream one answer after another until they are told to stop."""

    def __init__(self, max_tokens: int = 40) -> None:
        self.failures: list[str] = []
        self.answers: list[str] = []
        self._max_tokens = max_tokens
        self._stop = threading.Event()

    @contextmanager
    def running(self, gateway: Gateway, clients: int) -> Iterator["Streams"]:
        threads = [threading.Thread(target=self._stream, args=(gateway,)) for _ in range(clients)]
        for thread in threads:
            thread.start()
        try:
            wait_until(lambda: len(self.answers) >= clients, 100)
            yield self
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(100)

    def wait_for_more(self, answers: int) -> None:
        target = len(self.answers) + answers
        wait_until(lambda: len(self.answers) >= target, 100)

    def _stream(self, gateway: Gateway) -> None:
        with gateway.client as client:
            while not self._stop.is_set():
                self._ask(client)

    def _ask(self, client: openai.OpenAI) -> None:
        try:
            stream = client.chat.completions.create(
                model=ALIAS,
                messages=[{"role": "user", "content": "Tell me about the sea."}],
                max_tokens=self._max_tokens,
                stream=True,
                extra_body={"ignore_eos": True},
            )
            reasons = [chunk.choices[0].finish_reason for chunk in stream if chunk.choices]
        except openai.OpenAIError as error:
            self.failures.append(repr(error))
        else:
            if reasons[-1] != "length":
                self.failures.append(f"ended by {reasons[-1]} after {len(reasons)} chunks")
            self.answers.append(str(len(reasons)))
