"""The figures of a suite: each is the share of the rows that it speaks of."""

from typing import Any

from tests.worker.questions import OSLO, ROME, asked, said
from worker.stages.grading import grade
from worker.stages.scores import summarise


def suite() -> dict[str, Any]:
    return summarise(
        "held_out",
        [
            grade(asked(OSLO, kind="one"), said(OSLO)),
            grade(asked(OSLO, kind="one"), said(ROME)),
            grade(asked(OSLO, kind="one"), said(content="get_weather(city='Oslo')")),
            grade(asked(OSLO, kind="two"), said(content="<tool_call>{", finish="length")),
            grade(asked(kind="none"), said(content="There is no tool for that.")),
            grade(asked(kind="none"), said(content="No.")),
            grade(asked(kind="none"), said(OSLO)),
            grade(asked(kind="none"), said(content="")),
        ],
    )


def test_call_rows_are_counted_apart_from_the_others() -> None:
    scores = suite()
    assert (scores["kind"], scores["rows"]) == ("held_out", 8)
    for metric, value in (
        ("function_name_accuracy", 0.5),
        ("function_name_and_args_accuracy", 0.25),
        ("lenient_function_name_and_args_accuracy", 0.5),
        ("no_call_accuracy", 0.5),
    ):
        assert (scores[metric]["value"], scores[metric]["n"]) == (value, 4), metric


def test_precision_is_of_the_answers_without_a_call() -> None:
    assert (suite()["no_call_precision"]["value"], suite()["no_call_precision"]["n"]) == (0.75, 4)


def test_all_rows_count_for_malformed_calls_and_stopping() -> None:
    scores = suite()
    assert (scores["malformed_call_rate"]["value"], scores["malformed_call_rate"]["n"]) == (0.125, 8)
    assert (scores["stop_rate"]["value"], scores["stop_rate"]["n"]) == (0.875, 8)


def test_every_row_is_in_one_field_of_the_confusion() -> None:
    assert suite()["confusion"] == {
        "called_expected": 3,
        "not_called_expected": 1,
        "called_unexpected": 1,
        "not_called_unexpected": 3,
    }


def test_kinds_have_their_own_shares() -> None:
    assert {kind: (rate["value"], rate["n"]) for kind, rate in suite()["by_kind"].items()} == {
        "none": (0.5, 4),
        "one": (0.3333, 3),
        "two": (0.0, 1),
    }


def test_what_there_are_no_rows_for_has_no_share() -> None:
    scores = summarise("bfcl", [grade(asked(), said(content="No."))])
    assert scores["function_name_accuracy"] is None
    assert scores["no_call_precision"]["value"] == 1
