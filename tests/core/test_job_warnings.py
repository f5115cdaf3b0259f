"""The table of warnings: each comes where its limit is crossed, names field, limit and fix, and not before."""

from typing import Any

import pytest

from core.job_warnings import JobWarning, StageFacts, warnings_of
from core.preparation import Preparation, RowPlace, Rows
from core.spec import StageSpec
from tests.core.counts import ROWS, SOUND


def warned(stage: dict[str, Any] | None = None, data: dict[str, Any] | None = None, **facts: Any) -> list[JobWarning]:
    spec = {"name": "chat", "data": {"source": "a.jsonl"}, "warmup_steps": 5, **(stage or {})}
    preparation = Preparation.model_validate({**SOUND, **(data or {})})
    known = {"steps": preparation.steps, "trainable": 1_000_000, "parameters": 3_000_000_000, **facts}
    return list(
        warnings_of(StageFacts(number=0, stage=StageSpec.model_validate(spec), preparation=preparation, **known))
    )


def test_a_sound_stage_is_not_warned_of() -> None:
    assert warned() == []


@pytest.mark.parametrize(
    ("code", "param", "stage", "data", "says"),
    [
        ("warmup_too_long", "warmup_steps", {"warmup_steps": 100}, {}, "so that the full learning rate is never"),
        ("warmup_too_long", "warmup_steps", {"warmup_steps": 32}, {}, "holds for less than half of them: set it to 3"),
        ("learning_rate_unusual", "learning_rate", {"learning_rate": 0.01}, {}, "is 0.01: LoRA is usually"),
        ("learning_rate_unusual", "learning_rate", {"learning_rate": 1e-6}, {}, "1e-05 to 0.001"),
        ("alpha_unusual", "lora.alpha", {"lora": {"r": 64, "alpha": 16}}, {}, "a scale of 0.25"),
        ("many_epochs", "epochs", {"epochs": 9}, {}, "is 9: more than 5 passes"),
        ("few_rows", "data", {}, {"rows": 40}, "has 40 rows to train on: below 100"),
        ("stop_token_not_trained", "data", {}, {"not_stopped": ROWS}, "70 of 1000 rows whose last token"),
        ("evaluation_in_training", "data", {}, {"overlap": ROWS}, "(a.jsonl, rows 3, 4, 5, 6, 7, …)"),
        ("duplicates", "data", {}, {"duplicates": ROWS}, "70 of 1000 rows that repeat an earlier one"),
        ("rows_too_long", "max_seq_length", {}, {"dropped": {"too_long": ROWS}}, "is 2048, and 70 of 1000 rows"),
        ("rows_without_answer", "data", {}, {"dropped": {"nothing_trained": ROWS}}, "70 of 1000 rows with nothing"),
        ("max_seq_length_unused", "max_seq_length", {}, {"longest": 700}, "the longest row has 700 tokens"),
        ("max_seq_length_unused", "max_seq_length", {}, {"longest": 700}, "set it to 704"),
        ("no_call_unfilled", "no_call_fraction", {}, {"no_call_unfilled": 3}, "for 3 rows every tool fits"),
        ("rank_high_for_data", "lora.r", {}, {"trained_tokens": 1000}, "lower r to 3, or add rows"),
        ("rank_low_for_data", "lora.r", {}, {"trained_tokens": 4_000_000}, "raise r to 32"),
    ],
)  # fmt: skip
def test_crossing_a_limit_is_warned_of(
    code: str, param: str, stage: dict[str, Any], data: dict[str, Any], says: str
) -> None:
    [warning] = warned(stage, data)
    assert (warning.code, warning.param) == (code, f"stages[0].{param}")
    assert warning.message.startswith(f"stages[0].{param} ")
    assert says in warning.message


@pytest.mark.parametrize(
    ("stage", "data"),
    [
        ({"warmup_steps": 31}, {}),
        ({"learning_rate": 1e-3}, {}),
        ({"epochs": 5}, {}),
        ({}, {"rows": 100}),
        ({}, {"duplicates": {"count": 50, "first": []}}),
        ({}, {"longest": 1024}),
    ],
)
def test_a_value_at_its_limit_is_not(stage: dict[str, Any], data: dict[str, Any]) -> None:
    assert warned(stage, data) == []


def test_a_small_model_may_have_a_large_learning_rate() -> None:
    assert warned({"learning_rate": 0.005}, parameters=2_400_000) == []


def test_nothing_is_said_of_what_is_not_known() -> None:
    stage = StageSpec.model_validate({"name": "chat", "data": {"source": "a.jsonl"}, "warmup_steps": 10_000})
    assert list(warnings_of(StageFacts(0, stage, None, None, None, None))) == []


def test_rows_of_several_sources_are_named_each() -> None:
    places = (RowPlace(source="a", row=1), RowPlace(source="b", row=2))
    [warning] = warned(data={"overlap": Rows(count=2, first=places)})
    assert "(a, row 1; b, row 2)" in warning.message
