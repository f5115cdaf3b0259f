"""Grading answers: calls by name and by every argument, knowing when not to call, and intervals for all of it."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from core.significance import rate


@dataclass(frozen=True)
class Answer:
    """What the endpoint answered: calls as (name, arguments), text, and why it ended."""

    calls: list[tuple[str, Any]]
    content: str
    finish_reason: str

    @property
    def stopped(self) -> bool:
        """Whether the answer ended by itself rather than at the token limit."""
        return self.finish_reason in ("stop", "tool_calls")

    @property
    def malformed(self) -> bool:
        """Whether it holds call markup that the server's parser could not read."""
        return "<tool_call>" in self.content or any(not isinstance(arguments, dict) for _, arguments in self.calls)


@dataclass(frozen=True)
class Graded:
    """One row's verdict."""

    kind: str
    expects_call: bool
    name_ok: bool
    exact: bool
    no_call: bool
    stopped: bool
    malformed: bool


def grade(kind: str, expected: list[tuple[str, Any]], answer: Answer) -> Graded:
    """Compare an answer with the expected calls, in any order; with none expected, any call is wrong."""
    return Graded(
        kind=kind,
        expects_call=bool(expected),
        name_ok=sorted(name for name, _ in expected) == sorted(name for name, _ in answer.calls),
        exact=_canonical(expected) == _canonical(answer.calls) and not answer.malformed,
        no_call=not answer.calls and not answer.malformed and bool(answer.content.strip()),
        stopped=answer.stopped,
        malformed=answer.malformed,
    )


def summarise(rows: Sequence[Graded]) -> dict[str, Any]:
    """The scorecard's numbers over all rows and by kind."""
    calls = [row for row in rows if row.expects_call]
    others = [row for row in rows if not row.expects_call]
    by_kind = {
        kind: rate(row.exact if row.expects_call else row.no_call for row in rows if row.kind == kind)
        for kind in sorted({row.kind for row in rows})
    }
    return {
        "function_name_accuracy": rate(row.name_ok for row in calls),
        "function_name_and_args_accuracy": rate(row.exact for row in calls),
        "no_call_accuracy": rate(row.no_call for row in others),
        "malformed_call_rate": rate(row.malformed for row in rows),
        "stop_rate": rate(row.stopped for row in rows),
        "by_kind": by_kind,
    }


def _canonical(calls: Iterable[tuple[str, Any]]) -> list[str]:
    return sorted(
        json.dumps([name, _plain(arguments)], sort_keys=True, ensure_ascii=False) for name, arguments in calls
    )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)  # 3.0 and 3 are one number in JSON
    return value
