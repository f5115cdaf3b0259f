"""Answers are graded by name and by every argument; a wrong one has a reason; plain text is read leniently, apart."""

from typing import Any

import pytest

from tests.worker.questions import OSLO, ROME, asked, said, tool
from worker.stages.accepted import Call
from worker.stages.grading import Answer, grade

UNIT = {"type": "string", "default": "celsius"}


def test_parallel_calls_count_in_any_order() -> None:
    assert grade(asked(OSLO, ROME), said(ROME, OSLO)).correct


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (said(), "nothing was called where get_weather is right"),
        (said(ROME), "city is 'Rome' and not 'Oslo'"),
        (said(OSLO, OSLO), "2 calls where 1 is right"),
        (said(("get_weather", {"city": "Oslo", "unit": "celsius"})), "unit does not belong there"),
        (said(("get_weather", {})), "city is missing"),
        (said(("get_weather", {"city": "oslo"})), "city is 'oslo' and not 'Oslo'"),
        (said(("get_time", {"city": "Oslo"})), "get_time was called where get_weather is right"),
        (said(("get_weather", "not an object")), "it holds a malformed call, which no client can carry out"),
        (said(OSLO, content="<tool_call>\n{broken"), "it holds a malformed call, which no client can carry out"),
    ],
)
def test_anything_but_the_same_calls_is_wrong_for_a_reason(answer: Answer, fault: str) -> None:
    graded = grade(asked(OSLO), answer)
    assert (graded.correct, graded.fault) == (False, fault)


def test_the_right_name_with_wrong_arguments_counts_for_the_name_only() -> None:
    graded = grade(asked(OSLO), said(ROME))
    assert (graded.name_ok, graded.correct) == (True, False)


@pytest.mark.parametrize(
    ("given", "is_right"), [(3.0, True), (3, True), ("3", False), (True, False), ([3], False), (None, False)]
)
def test_values_compare_as_json_has_them(given: Any, is_right: bool) -> None:
    assert grade(asked(("f", {"x": 3})), said(("f", {"x": given}))).correct is is_right


def test_true_is_not_one_within_lists_and_objects_either() -> None:
    expected: Call = ("f", {"x": [1, {"y": 0}]})
    assert grade(asked(expected), said(("f", {"x": [1.0, {"y": 0.0}]}))).correct
    assert not grade(asked(expected), said(("f", {"x": [True, {"y": 0}]}))).correct
    assert not grade(asked(expected), said(("f", {"x": [1, {"y": False}]}))).correct


@pytest.mark.parametrize("written", [{"city": "Oslo"}, {"city": "Oslo", "unit": "celsius"}])
@pytest.mark.parametrize(
    ("given", "is_right"),
    [
        ({"city": "Oslo"}, True),
        ({"city": "Oslo", "unit": "celsius"}, True),
        ({"city": "Oslo", "unit": "kelvin"}, False),
    ],
)
def test_an_optional_argument_may_be_left_out_or_have_its_default(
    written: dict[str, Any], given: dict[str, Any], is_right: bool
) -> None:
    question = asked(("get_weather", written), tools=(tool(unit=UNIT),))
    assert grade(question, said(("get_weather", given))).correct is is_right


def test_an_argument_that_is_not_its_default_must_be_given() -> None:
    question = asked(("get_weather", {"city": "Oslo", "unit": "kelvin"}), tools=(tool(unit=UNIT),))
    assert grade(question, said(OSLO)).fault == "unit is missing"


def test_a_required_argument_must_be_given_even_if_it_has_a_default() -> None:
    offered = (tool(required=("city", "unit"), unit=UNIT),)
    question = asked(("get_weather", {"city": "Oslo", "unit": "celsius"}), tools=offered)
    assert grade(question, said(OSLO)).fault == "unit is missing"


def test_no_call_is_right_where_the_model_answers_in_words() -> None:
    assert grade(asked(), said(content="I have no tool for that.")).correct
    assert grade(asked(), said(OSLO)).fault == "get_weather was called where no call is right"
    assert grade(asked(), said(content=" ")).fault == "it says nothing"
    malformed = grade(asked(), said(content="<tool_call>{"))
    assert (malformed.correct, malformed.called) == (False, True)


def test_an_answer_cut_at_the_limit_did_not_stop() -> None:
    assert not grade(asked(), said(content="and so on", finish="length")).stopped


def test_a_right_call_in_plain_text_counts_leniently_only() -> None:
    graded = grade(asked(OSLO), said(content='{"name": "get_weather", "parameters": {"city": "Oslo"}}'))
    assert (graded.correct, graded.name_ok, graded.lenient) == (False, False, True)
    assert graded.fault is not None
    assert graded.fault.endswith("its text holds a call of get_weather in a form that is not the server's")
    assert not grade(asked(OSLO), said(content='get_weather(city="Rome")')).lenient
    assert grade(asked(), said(content="get_weather()")).lenient is not grade(asked(), said()).lenient


def test_a_call_that_the_server_read_is_not_read_again() -> None:
    assert not grade(asked(OSLO), said(ROME, content='get_weather(city="Oslo")')).lenient


def test_a_fault_is_no_longer_than_anybody_reads() -> None:
    fault = grade(asked(OSLO), said(("get_weather", {"city": "x" * 100_000}))).fault
    assert fault is not None
    assert len(fault) == 1000
