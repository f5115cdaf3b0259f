"""Calls judged by the rows that a job's owner wrote: every argument is the very JSON value that was written.

Calls count in any order, each once.  Which arguments may be left out says the question (`core.suites.from_row`).
Text is compared to the letter, unlike the leaderboard does (`worker.stages.accepted`): a training row shows exactly
what to copy, and 'oslo' for 'Oslo' is a fault that its owner wants to see.
"""

from collections.abc import Sequence
from typing import Any

from core.suites import AcceptedCall
from core.suites.from_row import same_json
from worker.stages.accepted import Call


def fault_against(calls: Sequence[Call], expected: Sequence[AcceptedCall]) -> str:
    """Why the calls are not the expected ones; nothing when they are.

    Two expected calls of one function accept the same calls or none in common, so taking the first that fits is right.
    """
    left = list(calls)
    for wanted in expected:
        faults = [_fault_of_call(call, wanted) for call in left]
        if "" in faults:
            left.pop(faults.index(""))
        elif len(calls) != len(expected):
            return f"{_count(len(calls))} where {len(expected)} {'is' if len(expected) == 1 else 'are'} right"
        else:
            return faults[0] if len(faults) == 1 else f"no call to {wanted.name} is right: {'; '.join(faults)}"
    return f"{_count(len(calls))} where {len(expected)} {'is' if len(expected) == 1 else 'are'} right" if left else ""


def _count(calls: int) -> str:
    return "1 call" if calls == 1 else f"{calls} calls"


def _fault_of_call(call: Call, wanted: AcceptedCall) -> str:
    name, arguments = call
    if name != wanted.name:
        return f"{name} was called where {wanted.name} is right"
    if not isinstance(arguments, dict):
        return f"the arguments of {name} are no object"
    for argument in wanted.arguments:
        if argument not in arguments and argument not in wanted.optional:
            return f"{argument} is missing"
    for argument, value in arguments.items():
        if argument not in wanted.arguments:
            return f"{argument} does not belong there"
        accepted: list[Any] = wanted.arguments[argument]
        if not any(same_json(value, each) for each in accepted):
            shown = " or ".join(repr(each) for each in accepted)
            return f"{argument} is {value!r} and not {shown}"
    return ""
