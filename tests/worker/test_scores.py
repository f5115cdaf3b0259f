"""Answers are graded by name and by every argument, and every share comes with its interval."""

import pytest

from worker.stages.scores import Answer, grade, summarise


def said(*calls: tuple[str, object], content: str = "", finish: str = "stop") -> Answer:
    return Answer(calls=list(calls), content=content, finish_reason=finish)


OSLO = ("get_weather", {"city": "Oslo"})
ROME = ("get_weather", {"city": "Rome"})


def test_parallel_calls_count_in_any_order() -> None:
    assert grade("k", [OSLO, ROME], said(ROME, OSLO)).exact


@pytest.mark.parametrize(
    "answer",
    [
        said(),
        said(ROME),
        said(OSLO, OSLO),
        said(("get_weather", {"city": "Oslo", "unit": "celsius"})),
        said(("get_weather", {"city": "oslo"})),
        said(("get_weather", "not an object")),
        said(OSLO, content="<tool_call>\n{broken"),
    ],
)
def test_anything_but_the_same_calls_is_wrong(answer: Answer) -> None:
    assert not grade("k", [OSLO], answer).exact


def test_the_right_name_with_wrong_arguments_counts_for_the_name_only() -> None:
    graded = grade("k", [OSLO], said(ROME))
    assert (graded.name_ok, graded.exact) == (True, False)


def test_numbers_compare_as_json_numbers() -> None:
    assert grade("k", [("f", {"x": 3})], said(("f", {"x": 3.0}))).exact
    assert not grade("k", [("f", {"x": 3})], said(("f", {"x": "3"}))).exact


def test_no_call_needs_text_and_no_call() -> None:
    assert grade("k", [], said(content="I have no tool for that.")).no_call
    assert not grade("k", [], said(OSLO)).no_call
    assert not grade("k", [], said(content="")).no_call


def test_an_answer_cut_at_the_limit_did_not_stop() -> None:
    assert not said(finish="length").stopped


def test_summary_separates_call_rows_from_the_others() -> None:
    graded = [grade("one", [OSLO], said(OSLO)), grade("one", [OSLO], said(ROME)), grade("none", [], said(content="no"))]
    scores = summarise(graded)
    assert scores["function_name_accuracy"]["value"] == 1
    assert scores["function_name_and_args_accuracy"]["value"] == 0.5
    assert scores["no_call_accuracy"]["n"] == 1
    assert scores["by_kind"]["one"]["n"] == 2
