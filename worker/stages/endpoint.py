"""The endpoint that serves the model, asked with the OpenAI SDK as a client would: greedy, and never the same twice.

Requests carry the mark of an evaluation, so that they are not counted as users' traffic.  The API key comes in
OPENAI_API_KEY, which the SDK reads by itself, so that no file holds it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from openai import AsyncOpenAI

from core.evaluation_traffic import EVALUATION_HEADER
from core.rows.strict_json import written_json
from worker.stages.answer_log import AnswerLog
from worker.stages.evaluate_run import EvaluationRun
from worker.stages.grading import Answer
from worker.stages.render import IGNORED
from worker.stages.run_dir import RunDir
from worker.stages.wire import wire

T = TypeVar("T")
Json = dict[str, Any]
_REPORT_EVERY_S = 1.0
_PATIENCE = 5
"""Times that the SDK sends a request again which was not answered."""


class Endpoint:
    """One model of it, asked with bounded concurrency; what was answered before is not asked again."""

    def __init__(self, run: RunDir, spec: EvaluationRun, log: AnswerLog) -> None:
        self.run, self.spec, self.log = run, spec, log
        self.client = AsyncOpenAI(
            base_url=spec.base_url, max_retries=_PATIENCE, timeout=300, default_headers={EVALUATION_HEADER: "1"}
        )
        self.total = 0
        """Answers that are expected in all, for the progress; whoever asks adds to it first."""
        self._free = asyncio.Semaphore(spec.concurrency)
        self._done, self._reported = 0, time.monotonic()

    async def ask(self, messages: list[Json], tools: list[Json] | None) -> Answer:
        """One chat completion."""
        request: Json = {
            "model": self.spec.model,
            "messages": wire(messages),
            "max_tokens": self.spec.max_tokens,
            "temperature": 0,
            "seed": 0,
            **({"tools": tools} if tools else {}),
        }
        answer = await self._once(request, self._chat)
        calls = tuple((name, _arguments(arguments)) for name, arguments in answer["calls"])
        return Answer(calls=calls, content=answer["content"], finish_reason=answer["finish_reason"])

    async def loss(self, input_ids: list[int], labels: list[int]) -> tuple[float, int]:
        """Summed negative log-likelihood (nats) of the labelled tokens, and their number."""
        learned = [i for i, label in enumerate(labels) if label != IGNORED and i > 0]
        request: Json = {"model": self.spec.model, "prompt": input_ids, "max_tokens": 1, "temperature": 0}

        async def score(request: Json) -> Json:
            completion = await self.client.completions.create(**request, extra_body={"prompt_logprobs": 0})
            logprobs = completion.choices[0].model_extra["prompt_logprobs"]  # type: ignore[index]
            return {"nats": -sum(logprobs[i][str(input_ids[i])]["logprob"] for i in learned)}

        answer = await self._once({**request, "of": learned}, lambda _: score(request))
        return answer["nats"], len(learned)

    async def _chat(self, request: Json) -> Json:
        completion = await self.client.chat.completions.create(**request)
        choice = completion.choices[0]
        called = [call.function for call in choice.message.tool_calls or [] if call.type == "function"]
        return {
            "calls": [[function.name, function.arguments] for function in called],
            "content": choice.message.content or "",
            "finish_reason": choice.finish_reason,
        }

    async def _once(self, request: Json, ask: Callable[[Json], Coroutine[Any, Any, Json]]) -> Json:
        answer = self.log.find(request)
        if answer is None:
            async with self._free:
                answer = await ask(request)
            self.log.add(request, answer)
        self._done += 1
        if time.monotonic() - self._reported > _REPORT_EVERY_S:
            self._reported = time.monotonic()
            self.run.emit("progress", done=self._done, total=max(self.total, self._done), unit="answers")
        return answer


async def in_order(calls: Sequence[Awaitable[T]]) -> list[T]:
    """All results, in the order in which they were asked for, whatever the order in which they come."""
    return list(await asyncio.gather(*calls))


def _arguments(text: str) -> Any:
    """The arguments' value; the text itself where it is no JSON, or is nested too deeply for anybody to read."""
    try:
        return written_json(text)
    except ValueError:
        return text
