"""A gate that can never be met, or asks for what the job does not measure, is refused with what to change."""

from typing import Any

import pytest
from pydantic import ValidationError

from core.spec import JobSpec

DATA = {"source": "owner/rows"}
MEASURED = {"tools": DATA, "chat": DATA}


def job(gate: dict[str, Any], *, evaluation: dict[str, Any] | None = None, **deploy: Any) -> JobSpec:
    spec = {"base_model": "m", "evaluation": evaluation or MEASURED, "deploy": {"gate": gate, **deploy}}
    return JobSpec.model_validate(spec)


def test_every_condition_can_be_asked_for_of_the_last_model_and_of_earlier_ones() -> None:
    floors = [{"low": 0.8}, {"metric": "no_call_precision", "low": 0.9}]
    chat = {"floors": [{"metric": "stop_rate", "low": 0.9}]}
    gate = job(
        {"floors": floors, "max_chat_loss_rise": 0.1, "no_regression": True, "stages": {"chat": chat}}
    ).deploy.gate
    assert gate is not None
    assert [(each.suite, each.metric) for each in gate.floors] == [
        ("tools", "function_name_and_args_accuracy"),
        ("tools", "no_call_precision"),
    ]
    assert gate.stages["chat"].floors[0].low == 0.9


def test_without_a_gate_nothing_is_asked() -> None:
    assert JobSpec(base_model="m").deploy.gate is None


@pytest.mark.parametrize(
    ("gate", "more", "said"),
    [
        ({}, {}, "deploy.gate asks for nothing: give it floors"),
        ({"floors": [{"low": 1}]}, {}, "less than 1"),
        ({"floors": [{"low": 0}]}, {}, "greater than 0"),
        (
            {"floors": [{"suite": "bfcl", "low": 0.5}]},
            {},
            r"suites \['bfcl'\]: the job is measured on \['tools'\]",
        ),
        ({"floors": [{"metric": "speed", "low": 0.5}]}, {}, "function_name_accuracy"),
        ({"no_regression": True}, {"evaluation": {"chat": DATA}}, "the job has none: name one"),
        ({"max_chat_loss_rise": -0.1}, {}, "greater than or equal to 0"),
        ({"max_chat_loss_rise": 0.1}, {"evaluation": {"tools": DATA}}, "name evaluation.chat"),
        ({"max_chat_loss_rise": 0.1}, {"when": "last_stage"}, "deploy.when each_stage"),
        ({"floors": [{"low": 0.5}]}, {"when": "never"}, "leave one of them out"),
        ({"floors": [{"low": 0.5}], "stages": {"tools": {"no_regression": True}}}, {}, r"names \['tools'\]"),
        ({"floors": [{"low": 0.5}], "stages": {"chat": {}}}, {}, "deploy.gate.stages.chat asks for nothing"),
        (
            {"floors": [{"low": 0.5}], "stages": {"chat": {"no_regression": True}}},
            {"when": "last_stage"},
            r"earlier stages that are deployed are \[\]",
        ),
        (
            {"floors": [{"low": 0.5}], "stages": {"chat": {"max_chat_loss_rise": 1}}},
            {"evaluation": {**MEASURED, "base": False}},
            "compares with the base: set evaluation.base",
        ),
        (
            {"floors": [{"low": 0.95}]},
            {"evaluation": {"tools": {**DATA, "rows": 40}}},
            "40 rows that are all right have a lower end of 0.912",
        ),
    ],
)
def test_what_can_never_be_met_is_refused(gate: dict[str, Any], more: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        job(gate, **more)


def test_the_highest_floor_that_so_many_rows_can_reach_is_taken() -> None:
    assert job({"floors": [{"low": 0.912}]}, evaluation={"tools": {**DATA, "rows": 40}})


@pytest.mark.parametrize("name", ["base", "live"])
def test_no_stage_has_the_name_of_another_thing_that_is_measured(name: str) -> None:
    with pytest.raises(ValidationError, match="neither 'base' nor 'live'"):
        JobSpec.model_validate({"base_model": "m", "stages": [{"name": name, "data": DATA}]})
