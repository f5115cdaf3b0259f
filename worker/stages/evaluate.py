"""Stage program: measure the served model through the endpoint, with the OpenAI SDK, as a client would.

Reads `evaluation.json` (an `EvaluationRun`) and writes `evaluate.json`.  The API key comes in OPENAI_API_KEY,
which the SDK reads by itself, so that no file holds it.
"""

if __name__ == "__main__":
    import worker.stages.without_torch  # noqa: F401  for its effect on what follows

import asyncio
import json
import math
import time
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from openai import APIError, AsyncOpenAI, BadRequestError

from core.errors import BadData
from core.rows import Row
from core.significance import rate
from core.storage import read_json
from worker.stages.evaluate_run import EvaluationRun
from worker.stages.render import IGNORED, load_tokenizer, tokenize
from worker.stages.run_dir import Exit, RunDir, StageFailure, run_program
from worker.stages.scores import Answer, Graded, grade, summarise
from worker.stages.sources import source_rows
from worker.stages.wire import wire

T = TypeVar("T")
SEVEN_TOOLS = Path(__file__).parent.parent / "suites" / "seven_tools.json"


class Endpoint:
    """The endpoint, asked with bounded concurrency; answers are greedy."""

    def __init__(self, run: RunDir, spec: EvaluationRun, total: int) -> None:
        self.run, self.spec, self.total = run, spec, total
        self.client = AsyncOpenAI(base_url=spec.base_url, max_retries=5, timeout=300)
        self.free = asyncio.Semaphore(spec.concurrency)
        self.done, self.reported = 0, time.monotonic()

    async def ask(self, messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None) -> Answer:
        """One chat completion."""
        async with self.free:
            request: dict[str, Any] = {"tools": tools} if tools else {}
            completion = await self.client.chat.completions.create(
                model=self.spec.model,
                messages=wire(messages),  # type: ignore[arg-type]  # our rows are the SDK's typed dicts as plain ones
                max_tokens=self.spec.max_tokens,
                temperature=0,
                seed=0,
                **request,
            )
        self._count()
        choice = completion.choices[0]
        called = [call.function for call in choice.message.tool_calls or [] if call.type == "function"]
        calls = [(function.name, _arguments(function.arguments)) for function in called]
        return Answer(calls=calls, content=choice.message.content or "", finish_reason=choice.finish_reason)

    async def loss(self, input_ids: list[int], labels: list[int]) -> tuple[float, int]:
        """Summed negative log-likelihood (nats) of the labelled tokens, and their number."""
        async with self.free:
            completion = await self.client.completions.create(
                model=self.spec.model, prompt=input_ids, max_tokens=1, temperature=0, extra_body={"prompt_logprobs": 0}
            )
        self._count()
        logprobs = completion.choices[0].model_extra["prompt_logprobs"]  # type: ignore[index]
        learned = [i for i, label in enumerate(labels) if label != IGNORED and i > 0]
        return -sum(logprobs[i][str(input_ids[i])]["logprob"] for i in learned), len(learned)

    def _count(self) -> None:
        self.done += 1
        if time.monotonic() - self.reported > 1:
            self.reported = time.monotonic()
            self.run.emit("progress", done=self.done, total=self.total, unit="answers")


def main(run: RunDir) -> None:
    """Measure and write `evaluate.json`."""
    spec = EvaluationRun.model_validate(read_json(run.path / "evaluation.json"))
    try:
        scores = asyncio.run(measure(run, spec))
    except BadRequestError as error:  # the same request would be refused again
        raise BadData(
            f"the endpoint refuses an evaluation row: {error}; shorten the row, or lower evaluation.max_tokens"
        ) from error
    except APIError as error:
        message = f"the endpoint {spec.base_url} failed while {spec.model} was measured: {error}"
        raise StageFailure(Exit.RETRY, "endpoint_failed", message) from error
    run.finish("evaluate", scores)


async def measure(run: RunDir, spec: EvaluationRun) -> dict[str, Any]:
    """All scores of the model."""
    started = time.monotonic()
    tools = list(source_rows(spec.tools, spec)) if spec.tools else []
    more = {name: list(source_rows(data, spec)) for name, data in spec.more_tools.items()}
    chat = list(source_rows(spec.chat, spec)) if spec.chat else []
    suite = read_json(SEVEN_TOOLS)
    total = len(tools) + sum(map(len, more.values())) + 2 * len(chat) + len(suite["prompts"])
    endpoint = Endpoint(run, spec, total)

    graded = await _all([_tool_row(endpoint, row) for row in tools])
    chat_answers = await _all([endpoint.ask(row.messages[:-1], row.tools) for row in chat])
    tokenizer = load_tokenizer(spec.tokenizer)
    tokens = [tokenize(tokenizer, row) for row in chat]
    losses = await _all([endpoint.loss(t.input_ids, t.labels) for t in tokens])
    offered = {tool["function"]["name"]: tool for tool in suite["tools"]}
    prompts = await _all(
        [_prompt(endpoint, each["prompt"], [offered[name] for name in each["tools"]]) for each in suite["prompts"]]
    )

    scores = summarise(graded)
    scores["more_tools"] = {
        name: summarise(await _all([_tool_row(endpoint, row) for row in rows])) for name, rows in more.items()
    }
    stops = [row.stopped for row in graded] + [answer.stopped for answer in chat_answers]
    loss = sum(nll for nll, _ in losses) / sum(n for _, n in losses) if losses else None
    scores.update(
        stop_rate=rate(stops),
        chat_loss=None if loss is None else {"value": round(loss, 4), "perplexity": round(math.exp(loss), 3)},
        prompts=prompts,
        evaluate_s=round(time.monotonic() - started, 1),
    )
    return scores


async def _tool_row(endpoint: Endpoint, row: Row) -> Graded:
    expected = row.messages[-1]
    calls = [(c["function"]["name"], c["function"]["arguments"]) for c in expected.get("tool_calls", [])]
    answer = await endpoint.ask(row.messages[:-1], row.tools)
    return grade(row.kind or ("call" if calls else "no_call"), calls, answer)


async def _prompt(endpoint: Endpoint, prompt: str, tools: list[dict[str, Any]]) -> dict[str, str]:
    answer = await endpoint.ask([{"role": "user", "content": prompt}], tools)
    calls = [f"{name}({json.dumps(arguments, ensure_ascii=False)})" for name, arguments in answer.calls]
    return {"prompt": prompt, "answer": " ".join(calls) or answer.content}


async def _all(calls: Sequence[Awaitable[T]]) -> list[T]:
    return list(await asyncio.gather(*calls))


def _arguments(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


if __name__ == "__main__":
    run_program(main)
