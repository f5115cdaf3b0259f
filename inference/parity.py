"""Asks a running vLLM what it makes of trained answers' requests, and compares that with what training made of them.

Three things have to agree: the token ids of the prompt, the calls that vLLM's parser reads in the answer (whole, and
token by token as a stream), and the token that ends the answer with those at which vLLM stops.
"""

import asyncio
import json
import unicodedata
from collections.abc import Sequence
from itertools import islice
from typing import Any

from core.errors import ParityMismatch
from core.parity import KindCount, Mismatch, ParityRecord, Question, What, not_checked, questions_of
from inference.control import EngineControl
from inference.version import Version

PATH = "/v1/parity"
AT_A_TIME = 8
"""Questions in one request, between which vLLM attends to others."""
TIMEOUT_S = 60.0
SHOWN_TOKENS = 8
"""So many on each side of the first difference."""
Json = dict[str, Any]


class ParityCheck:
    """The check of a version before it goes live; each step raises ParityMismatch.  `record` is what it has found."""

    def __init__(self, version: Version) -> None:
        self.record: ParityRecord | None = None
        self._version = version

    @property
    def is_due(self) -> bool:
        """Whether a job made the model; a base was trained by others, on rows that nobody here knows."""
        return self._version.made_by is not None

    async def render(self, control: EngineControl, name: str) -> None:
        """Prompts and calls, which a vLLM shows as soon as it has the version's tokenizer and template."""
        made_by = self._version.made_by
        assert made_by is not None, self._version
        try:
            questions = await asyncio.to_thread(questions_of, *made_by)
        except (OSError, ValueError) as error:
            self.record = not_checked(f"what its job kept to ask about cannot be read: {error}")
            return
        if not questions:
            self.record = not_checked("its job kept nothing to ask about")
            return
        self.record = await Parity(control).rendered(name, self._version.model_id, questions)
        refuse_mismatch(self.record)

    async def stop(self, control: EngineControl, name: str) -> None:
        """Where generation stops, which is known once the version is loaded."""
        if self.record is not None and self.record.checked:
            self.record = await Parity(control).stopping(self.record, name)
            refuse_mismatch(self.record)


class Parity:
    """What one vLLM makes of questions."""

    def __init__(self, control: EngineControl) -> None:
        self._control = control

    async def rendered(self, name: str, served: str, questions: Sequence[Question]) -> ParityRecord:
        """Compare prompts and calls with what vLLM makes of them for `name`, by which it knows the model `served`."""
        record = ParityRecord(checked=True, served=served, end_ids=sorted({q.answer_ids[-1] for q in questions}))
        remaining = iter(questions)
        while some := list(islice(remaining, AT_A_TIME)):
            answer = await self._ask(name, some)
            record.parser, record.vllm, record.tokenizer = answer["parser"], answer["vllm"], answer["tokenizer"]
            for question, made in zip(some, answer["answers"], strict=True):
                if "error" in made and len(question.prompt_ids) >= answer["max_model_len"]:
                    record.too_long += 1
                else:
                    _count(record, question, await self._difference(name, question, made))
        return record

    async def stopping(self, record: ParityRecord, name: str) -> ParityRecord:
        """The record with the tokens at which vLLM stops now; one that does not end a trained answer is a mismatch."""
        stop_ids: list[int] = (await self._ask(name, ()))["stop_ids"]
        found = record.model_copy(update={"stop_ids": stop_ids})
        missing = sorted(set(record.end_ids) - set(stop_ids))
        if missing:
            message = (
                f"the trained answers end with {await self._text(name, missing)} (token {missing[0]}), and "
                f"generation_config.json of the served model stops at {stop_ids} only: the model would never stop"
            )
            found.mismatch, found.equal = Mismatch(row="every row", what="stop", message=message), 0
        return found

    async def _ask(self, name: str, questions: Sequence[Question]) -> Json:
        asked = [q.model_dump(include={"messages", "tools", "answer_ids"}) for q in questions]
        return await self._control.post(PATH, {"model": name, "questions": asked}, TIMEOUT_S)

    async def _difference(self, name: str, question: Question, made: Json) -> tuple[What, str] | None:
        """What differs, and how; None when nothing does."""
        if "error" in made:
            return "prompt", f"vLLM refuses the request that training has a prompt for: {made['error'][:300]}"
        if made["prompt_ids"] != question.prompt_ids:
            return "prompt", await self._prompts(name, question.prompt_ids, made["prompt_ids"])
        end = question.answer_ids[-1]
        if end in question.answer_ids[:-1]:
            text = await self._text(name, [end])
            return "stop", f"the trained answer holds {text} (token {end}) before its end, where vLLM would stop"
        ways: tuple[tuple[What, str], ...] = (("calls", ""), ("streamed_calls", "of a stream "))
        for what, how in ways:
            if _canonical(made[what]) != _trained(question):
                read = json.dumps(made[what], ensure_ascii=False)[:300]
                meant = json.dumps(question.calls, ensure_ascii=False)[:300]
                return what, f"vLLM's parser {how}reads the calls {read} in the trained answer, which makes {meant}"
        return None

    async def _prompts(self, name: str, trained: list[int], served: list[int]) -> str:
        pairs = enumerate(zip(trained, served, strict=False))
        first = next((i for i, (ours, theirs) in pairs if ours != theirs), min(len(trained), len(served)))
        around = slice(max(0, first - SHOWN_TOKENS), first + SHOWN_TOKENS)
        return (
            f"the prompts differ from token {first} on: training has {await self._text(name, trained[around])}, "
            f"vLLM {await self._text(name, served[around])}"
        )

    async def _text(self, name: str, token_ids: list[int]) -> str:
        answer = await self._control.post("/detokenize", {"model": name, "tokens": token_ids}, TIMEOUT_S)
        return repr(answer["prompt"])


def refuse_mismatch(record: ParityRecord) -> None:
    """ParityMismatch when the record has one."""
    if (failure := record.failure()) is not None:
        raise ParityMismatch(failure)


def _count(record: ParityRecord, question: Question, difference: tuple[What, str] | None) -> None:
    kind = record.kinds.setdefault(question.kind, KindCount())
    record.rows, kind.rows = record.rows + 1, kind.rows + 1
    if difference is None:
        record.equal, kind.equal = record.equal + 1, kind.equal + 1
    elif record.mismatch is None:
        what, message = difference
        record.mismatch = Mismatch(row=question.row, kind=question.kind, what=what, message=message)


def _canonical(calls: list[Json]) -> str | None:
    """The calls with their arguments as values; None when those are no JSON."""
    try:
        return _sorted([{"name": call["name"], "arguments": json.loads(call["arguments"])} for call in calls])
    except ValueError:
        return None


def _trained(question: Question) -> str:
    return _sorted(question.calls)


def _sorted(calls: list[Json]) -> str:
    """As text, in which `1`, `1.0` and `true` differ; composed, for Qwen's tokenizer composes whatever it reads."""
    return unicodedata.normalize("NFC", json.dumps(calls, sort_keys=True, ensure_ascii=False))
