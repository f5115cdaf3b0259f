"""Calls and accepted values: our verdicts are those of the leaderboard's own checker, whatever the call."""

import copy
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.worker.leaderboard import their_checker
from worker.stages.accepted import Call, fault_of_calls

LEADERBOARD = Path(__file__).parents[3] / "shared" / "data" / "bfcl"
MUTATED = 4_000
Change = Callable[[Call, random.Random], list[Call]]


@dataclass(frozen=True)
class Question:
    """One of the leaderboard's."""

    category: str
    functions: list[dict[str, Any]]
    accepted: list[dict[str, dict[str, list[Any]]]]


def function(**types: str) -> dict[str, Any]:
    properties = {name: {"type": kind, "items": {"type": "integer"}} for name, kind in types.items()}
    return {"name": "f", "parameters": {"properties": properties, "required": []}}


def fault(arguments: Any, accepted: dict[str, list[Any]], **types: str) -> str:
    return fault_of_calls([("f", arguments)], [function(**types)], [{"f": accepted}])


@pytest.mark.parametrize(
    ("kind", "accepted", "right", "wrong"),
    [
        ("string", ["New York, NY"], "new york NY", "York"),
        ("string", ["a", "b"], "B", ""),
        ("integer", [5], 5, 5.0),
        ("integer", [5], 5, "5"),
        ("float", [5.0], 5, "5.0"),
        ("boolean", [True], True, 1),
        ("array", [[1, 2]], [1, 2], [2, 1]),
        ("array", [[1, 2]], [1, 2], [1.0, 2.0]),
        ("dict", [{"low": [1], "high": ["", 9]}], {"low": 1}, {"high": 9}),
        ("integer", ["the_age"], "the_age", 30),
    ],
)
def test_an_argument_has_the_declared_type_and_an_accepted_value(
    kind: str, accepted: list[Any], right: Any, wrong: Any
) -> None:
    assert fault({"x": right}, {"x": accepted}, x=kind) == ""
    assert fault({"x": wrong}, {"x": accepted}, x=kind).startswith("x is ")


def test_an_argument_may_be_left_out_only_where_that_is_accepted() -> None:
    assert fault({}, {"x": ["", 1]}, x="integer") == ""
    assert fault({}, {"x": [1]}, x="integer") == "x is missing"
    assert fault({"y": 1}, {}, x="integer") == "y does not belong there"


def test_parallel_calls_count_in_any_order_and_each_once() -> None:
    accepted = [{"f": {"x": [1]}}, {"f": {"x": [2]}}]
    calls = [("f", {"x": 2}), ("f", {"x": 1})]
    assert fault_of_calls(calls, [function(x="integer")], accepted) == ""
    assert fault_of_calls([calls[0], calls[0]], [function(x="integer")], accepted)
    assert fault_of_calls(calls[:1], [function(x="integer")], accepted) == "1 calls where 2 are right"


def test_what_is_no_object_or_another_function_is_no_right_call() -> None:
    assert fault("[1", {"x": [1]}, x="integer") == "the arguments of f are no object"
    assert fault_of_calls([("g", {})], [function()], [{"f": {}}]) == "g was called where f is right"


@pytest.fixture(scope="module")
def questions() -> list[Question]:
    if not LEADERBOARD.exists():
        pytest.skip("the leaderboard's files are not here")
    found = []
    for category in ("simple_python", "multiple"):
        answers = _lines(LEADERBOARD / "possible_answer" / f"{category}.jsonl")
        accepted = {answer["id"]: answer["ground_truth"] for answer in answers}
        rows = _lines(LEADERBOARD / f"{category}.jsonl")
        found += [Question(category, row["function"], accepted[row["id"]]) for row in rows]
    return found


def test_every_accepted_answer_is_judged_as_the_leaderboard_does(questions: list[Question]) -> None:
    calls = [(each, [call]) for each in questions for call in _every_accepted(each, random.Random(1))]
    assert len(calls) > 2_000
    assert _disagreements(calls) == []


def test_every_changed_answer_is_judged_as_the_leaderboard_does(questions: list[Question]) -> None:
    draw = random.Random(2)
    calls = []
    for _ in range(MUTATED):
        question = draw.choice(questions)
        calls.append((question, draw.choice(CHANGES)(_an_answer(question, draw), draw)))
    assert _disagreements(calls) == []


def _disagreements(asked: list[tuple[Question, list[Call]]]) -> list[Any]:
    with their_checker() as theirs:
        verdicts = [
            theirs(each.functions, [{name: arguments} for name, arguments in calls], each.accepted, each.category)
            for each, calls in asked
        ]
    assert any(verdict["valid"] for verdict in verdicts)
    found = [(calls, verdict, fault_of_calls(calls, each.functions, each.accepted), each.accepted)
             for (each, calls), verdict in zip(asked, verdicts, strict=True)]  # fmt: skip
    return [each for each in found if each[1]["valid"] != (each[2] == "")][:5]


# ------------------------------------------------------------------ answers, right and changed


def _an_answer(question: Question, draw: random.Random) -> Call:
    [(name, accepted)] = question.accepted[0].items()
    arguments = {}
    for argument, values in accepted.items():
        real = [value for value in values if value != ""]
        if real and ("" not in values or draw.random() < 0.5):
            arguments[argument] = _concrete(draw.choice(real), draw)
    return name, arguments


def _every_accepted(question: Question, draw: random.Random) -> Iterator[Call]:
    """An answer for each accepted value of each argument, the others drawn."""
    name, drawn = _an_answer(question, draw)
    [accepted] = question.accepted[0].values()
    for argument, values in accepted.items():
        others = {other: value for other, value in drawn.items() if other != argument}
        for value in values:
            yield name, others if value == "" else {**others, argument: _concrete(value, draw)}


def _concrete(value: Any, draw: random.Random) -> Any:
    """One of the values that an accepted one stands for: those of an object's members are lists of values again."""
    if isinstance(value, list):
        return [_concrete(item, draw) if isinstance(item, dict) else item for item in value]
    if isinstance(value, dict):
        real = {key: [each for each in values if each != ""] for key, values in value.items()}
        return {key: draw.choice(values) for key, values in real.items() if values}
    return value


def _with_an_argument_changed(
    change: Callable[[Any, random.Random], Any],
) -> Callable[[Call, random.Random], list[Call]]:
    def changed(call: Call, draw: random.Random) -> list[Call]:
        name, arguments = call[0], copy.deepcopy(call[1])
        if arguments:
            argument = draw.choice(list(arguments))
            arguments[argument] = change(arguments[argument], draw)
        return [(name, arguments)]

    return changed


def _dropped(call: Call, draw: random.Random) -> list[Call]:
    name, arguments = call
    dropped = draw.choice([*arguments, None])
    return [(name, {argument: value for argument, value in arguments.items() if argument != dropped})]


def _renamed(call: Call, draw: random.Random) -> list[Call]:
    name, arguments = call
    renamed = draw.choice([*arguments, None])
    return [(name, {argument + "_" * (argument == renamed): value for argument, value in arguments.items()})]


def _reordered(call: Call, draw: random.Random) -> list[Call]:
    name, arguments = call
    return [(name, dict(draw.sample(list(arguments.items()), len(arguments))))]


def _retyped(value: Any, draw: random.Random) -> Any:
    number = float(value) if isinstance(value, int) else 7
    return draw.choice([str(value), [value], None, True, number, {"a": value}, int(number)])


def _another_value(value: Any, draw: random.Random) -> Any:
    if isinstance(value, str):
        return draw.choice([value.upper(), f" {value}", value.replace(" ", "_"), value[::-1], f"{value}s"])
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return draw.choice([value + 1, -value, float(value)])
    if isinstance(value, list) and value:
        number = draw.randrange(len(value))
        item = value[number]
        other = draw.choice([str(item), float(item) if isinstance(item, int) else item, None])
        return draw.choice([value[::-1], [*value, item], [*value[:number], other, *value[number + 1 :]]])
    if isinstance(value, dict) and value:
        return {key: item for key, item in value.items() if key != draw.choice(list(value))}
    return value


CHANGES: list[Change] = [
    _dropped,
    _renamed,
    _reordered,
    _with_an_argument_changed(_retyped),
    _with_an_argument_changed(_another_value),
    lambda call, draw: [(call[0], {**call[1], "further": 1})],
    lambda call, draw: [(f"{call[0]}_other", call[1])],
    lambda call, draw: [call, call],
]


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]
