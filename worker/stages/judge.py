"""Asking a judge which of two models answers a chat row better: each pair in both orders, greedily.

The judge is somebody else's endpoint: it may be slow, refuse, or be gone.  `JudgeFailed` says so, in words that hold
nothing of what the endpoint sent, and the evaluation goes on without it.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

from httpx2 import AsyncClient
from openai import APIConnectionError, APIError, APIStatusError, APITimeoutError, AsyncOpenAI
from pydantic import BaseModel, Field, ValidationError

from core.judge_url import JudgeEndpoint, NotPublic
from core.significance import mcnemar, rate
from core.spec import JudgeSpec
from worker.stages.answer_log import AnswerLog
from worker.stages.chat_quality import ChatAnswer
from worker.stages.public_transport import PublicTransport
from worker.stages.run_dir import RunDir
from worker.stages.verdict import Outcome, Verdict, outcome, question, read_verdict

CONCURRENCY = 4
REQUEST_TIMEOUT_S = 60
TIME_LIMIT_S = 900
"""For all rows: a judge that only just answers does not hold a job up for longer."""
Pair = tuple[ChatAnswer, ChatAnswer]
"""What the earlier and the newer model answered to the same row."""


class _Message(BaseModel):
    content: str | None


class _Choice(BaseModel):
    message: _Message


class _Reply(BaseModel):
    """As much of a chat completion as is read."""

    choices: list[_Choice] = Field(min_length=1)


class JudgeFailed(Exception):
    """There is no judgement, and why."""


class Judge:
    """One judge, asked with bounded concurrency; what it has said before it is not asked again."""

    def __init__(self, run: RunDir, spec: JudgeSpec, endpoint: JudgeEndpoint, log: AnswerLog) -> None:
        self.run, self.spec, self.endpoint, self.log = run, spec, endpoint, log
        self.client = _client(endpoint)
        self._free = asyncio.Semaphore(CONCURRENCY)
        self._done = 0

    async def compare(self, against: str, pairs: Sequence[Pair]) -> dict[str, Any]:
        """`judge` of the scores: wins, ties and losses of the newer model; JudgeFailed when the endpoint gives out."""
        asked = pairs[: self.spec.rows]
        try:
            async with asyncio.timeout(TIME_LIMIT_S), self.client:
                outcomes = await self._outcomes(asked)
        except TimeoutError as error:
            raise JudgeFailed(f"it was not done after {TIME_LIMIT_S} s; lower evaluation.judge.rows") from error
        except NotPublic as error:
            raise JudgeFailed(error.message) from error
        except APIError as error:
            raise JudgeFailed(_what_happened(error)) from error
        identical = sum(earlier.content == newer.content for earlier, newer in asked)
        return {"model": self.spec.model, "against": against, "identical": identical, **count(outcomes)}

    async def _outcomes(self, pairs: Sequence[Pair]) -> list[Outcome]:
        """In order; the first failure ends it all."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._outcome(pair, len(pairs))) for pair in pairs]
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _outcome(self, pair: Pair, total: int) -> Outcome:
        """What both orders come to."""
        earlier, newer = pair
        if earlier.content == newer.content:
            return Outcome.TIE
        async with self._free:
            newer_first = await self._verdict(question(newer.messages, newer.content, earlier.content))
            newer_second = await self._verdict(question(newer.messages, earlier.content, newer.content))
        self._done += 1
        self.run.emit("progress", done=self._done, total=total, unit="judged rows")
        return outcome(newer_first, newer_second)

    async def _verdict(self, messages: list[dict[str, str]]) -> Verdict | None:
        request = {"judge": self.endpoint.base_url, "model": self.spec.model, "messages": messages}
        answer = self.log.find(request)
        if answer is None:
            answer = {"reply": await self._ask(messages)}
            self.log.add(request, answer)
        return read_verdict(answer["reply"])

    async def _ask(self, messages: list[dict[str, str]]) -> str:
        response = await self.client.chat.completions.with_raw_response.create(
            model=self.spec.model,
            messages=messages,  # type: ignore[arg-type]  # the SDK's typed dicts as plain ones
            max_tokens=self.spec.max_tokens,
            temperature=0,
        )
        try:
            reply = _Reply.model_validate_json(response.content)
        except ValidationError:  # a page for people, say: the SDK would take it for a completion
            return ""
        return reply.choices[0].message.content or ""


def count(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The counts, and the shares of the rows whose replies could be read; a row on which the orders disagree is a tie.

    `p_value` is the sign test's: were the models equally good, each row that is no tie would be a fair coin.
    """
    counted = Counter(outcomes)
    wins, losses = counted[Outcome.WIN], counted[Outcome.LOSS]
    readable = [each for each in outcomes if each is not Outcome.UNREADABLE]
    return {
        "rows": len(outcomes),
        "wins": wins,
        "ties": counted[Outcome.TIE] + counted[Outcome.DISAGREED],
        "losses": losses,
        "disagreed": counted[Outcome.DISAGREED],
        "unreadable": counted[Outcome.UNREADABLE],
        "win_rate": rate(each is Outcome.WIN for each in readable),
        "tie_rate": rate(each in (Outcome.TIE, Outcome.DISAGREED) for each in readable),
        "loss_rate": rate(each is Outcome.LOSS for each in readable),
        "p_value": mcnemar(wins, losses),
    }


def _client(endpoint: JudgeEndpoint) -> AsyncOpenAI:
    """Without a key of its own it sends none of ours: the SDK would take OPENAI_API_KEY, which opens this service."""
    transport = PublicTransport() if endpoint.must_be_public else None
    http = AsyncClient(transport=transport, follow_redirects=False, timeout=REQUEST_TIMEOUT_S)
    return AsyncOpenAI(
        base_url=endpoint.base_url,
        api_key=endpoint.api_key or "none",
        max_retries=2,
        timeout=REQUEST_TIMEOUT_S,
        http_client=http,
    )


def _what_happened(error: APIError) -> str:
    """In our own words: what a foreign endpoint writes does not belong into a job's events."""
    match error:
        case APITimeoutError():
            return f"it did not answer within {REQUEST_TIMEOUT_S} s"
        case APIConnectionError():
            return "it cannot be reached"
        case APIStatusError(status_code=401 | 403):
            return f"it answered {error.status_code}: is TUNESMITH_JUDGE_API_KEY a key of TUNESMITH_JUDGE_URL?"
        case APIStatusError():
            return f"it answered {error.status_code} to a chat completion of evaluation.judge.model"
    return f"its answer could not be read ({type(error).__name__})"
