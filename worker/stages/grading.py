"""The verdict on one answer to one question of a suite.

`correct` is the strict one, on what the server's parser made of the answer, as a client sees it: the right functions
with the right arguments, or, where no call is right, words and no call.  `lenient` also reads calls out of the text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.suites import Question
from worker.stages.accepted import Call, fault_of_calls
from worker.stages.expected import fault_against
from worker.stages.lenient import calls_in_text

_LONGEST_FAULT = 1000
"""Characters; an argument that is quoted may be as long as the answer."""


@dataclass(frozen=True)
class Answer:
    """What the endpoint answered: calls as (name, arguments), text, and why it ended.

    Arguments that are no JSON stay the text that they were.
    """

    calls: tuple[Call, ...]
    content: str
    finish_reason: str

    @property
    def stopped(self) -> bool:
        """Whether the answer ended by itself rather than at the token limit."""
        return self.finish_reason in ("stop", "tool_calls")

    @property
    def malformed(self) -> bool:
        """Whether a call in it cannot be carried out: markup that was not read, or arguments that are no object."""
        return "<tool_call>" in self.content or any(not isinstance(arguments, dict) for _, arguments in self.calls)

    @property
    def called(self) -> bool:
        """Whether it calls anything, or tried to."""
        return bool(self.calls) or self.malformed

    def shown(self) -> dict[str, Any]:
        """As it is kept."""
        calls = [{"name": name, "arguments": arguments} for name, arguments in self.calls]
        return {"calls": calls, "content": self.content, "finish_reason": self.finish_reason}


@dataclass(frozen=True)
class Graded:
    """One row's verdict; `fault` says why it is not correct."""

    kind: str
    expects_call: bool
    called: bool
    name_ok: bool
    correct: bool
    lenient: bool
    malformed: bool
    stopped: bool
    fault: str | None


def grade(question: Question, answer: Answer) -> Graded:
    """Compare an answer with the expected calls, in any order; with none expected, any call is wrong."""
    fault = _fault_of_call_row(question, answer) if question.expected else _fault_of_no_call_row(answer)
    expected_names = sorted(call.name for call in question.expected)
    name_ok = sorted(name for name, _ in answer.calls) == expected_names if expected_names else not fault
    return Graded(
        kind=question.kind,
        expects_call=bool(question.expected),
        called=answer.called,
        name_ok=name_ok,
        correct=not fault,
        lenient=not fault or _is_right_leniently(question, answer),
        malformed=answer.malformed,
        stopped=answer.stopped,
        fault=fault[:_LONGEST_FAULT] or None,
    )


def fault_of(question: Question, calls: Sequence[Call]) -> str:
    """Why the calls are not the expected ones, by the rules of the question's suite."""
    if question.leaderboard is not None:
        return fault_of_calls(calls, question.leaderboard.functions, question.leaderboard.accepted)
    return fault_against(calls, question.expected)


def _fault_of_call_row(question: Question, answer: Answer) -> str:
    if answer.malformed:
        return "it holds a malformed call, which no client can carry out"
    if answer.calls:
        return fault_of(question, answer.calls)
    wanted = ", ".join(call.name for call in question.expected)
    written = calls_in_text(answer.content, question.tools or ())
    seen = "" if not written else f"; its text holds a call of {written[0][0]} in a form that is not the server's"
    return f"nothing was called where {wanted} is right{seen}"


def _fault_of_no_call_row(answer: Answer) -> str:
    if answer.calls:
        return f"{answer.calls[0][0]} was called where no call is right"
    if answer.malformed:
        return "it holds a malformed call where no call is right"
    return "" if answer.content.strip() else "it says nothing"


def _is_right_leniently(question: Question, answer: Answer) -> bool:
    """Whether calls in the text are right, where the server's parser found none that can be carried out."""
    if not question.expected or (answer.calls and not answer.malformed):
        return False
    calls = [call for call in answer.calls if isinstance(call[1], dict)]
    written = calls_in_text(answer.content, question.tools or ())
    return fault_of(question, [*calls, *written]) == ""
