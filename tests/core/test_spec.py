"""The job spec: its defaults are the recipe, its limits refuse nonsense, its steps are the trainer's."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.spec import LORA_TARGETS, DatasetSpec, JobSpec, StageSpec

BASE = {"base_model": "Qwen/Qwen2.5-3B"}
DATA = {"source": "owner/rows"}


def stage(**fields: Any) -> dict[str, Any]:
    return {"name": "chat", "data": DATA, **fields}


def test_the_defaults_are_the_recipe() -> None:
    chat, tools = JobSpec.model_validate(BASE).stages
    assert (chat.name, chat.data.source, chat.data.rows) == ("chat", "HuggingFaceH4/ultrachat_200k", 50_000)
    assert (tools.name, tools.data.source, tools.data.rows) == ("tools", "Salesforce/xlam-function-calling-60k", 60_000)
    for each in (chat, tools):
        assert (each.lora.r, each.lora.alpha, each.lora.dropout) == (16, 16, 0)
        assert each.lora.target_modules == LORA_TARGETS
        assert (each.load_in_4bit, each.batch_size, each.gradient_accumulation_steps) == (True, 4, 4)
        assert (each.learning_rate, each.warmup_steps, each.lr_scheduler) == (2e-4, 100, "cosine")
        assert (each.optimizer, each.epochs, each.max_seq_length) == ("adamw_8bit", 1, 2048)


def test_by_default_all_that_a_job_made_is_kept() -> None:
    keep = JobSpec.model_validate(BASE).keep
    assert (keep.checkpoints, keep.adapters, keep.merged, keep.days) == (2, True, "all", None)


def test_the_recipe_takes_3125_and_3750_steps() -> None:
    assert [s.steps(s.data.rows or 0) for s in JobSpec.model_validate(BASE).stages] == [3125, 3750]


@given(
    rows=st.integers(1, 100_000),
    batch=st.integers(1, 64),
    accumulation=st.integers(1, 64),
    epochs=st.integers(1, 5),
    cap=st.none() | st.integers(1, 1000),
)
def test_steps_see_every_row_of_every_epoch(
    rows: int, batch: int, accumulation: int, epochs: int, cap: int | None
) -> None:
    spec = StageSpec.model_validate(
        stage(batch_size=batch, gradient_accumulation_steps=accumulation, epochs=epochs, max_steps=cap)
    )
    steps = spec.steps(rows)
    uncapped = epochs * math.ceil(rows / (batch * accumulation))
    assert steps == (uncapped if cap is None else min(uncapped, cap))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"unknown": 1}, "unknown"),
        ({"stages": []}, "stages"),
        ({"stages": [stage(lora={"r": 0})]}, "r"),
        ({"stages": [stage(lora={"dropout": 1})]}, "dropout"),
        ({"stages": [stage(lora={"target_modules": []})]}, "target_modules"),
        ({"stages": [stage(learning_rate=-1)]}, "learning_rate"),
        ({"stages": [stage(learning_rate=0)]}, "learning_rate"),
        ({"stages": [stage(learning_rate=math.nan)]}, "learning_rate"),
        ({"stages": [stage(weight_decay=math.inf)]}, "weight_decay"),
        ({"stages": [stage(batch_size=0)]}, "batch_size"),
        ({"stages": [stage(name="a/b")]}, "name"),
        ({"stages": [stage(data={"source": ""})]}, "source"),
        ({"stages": [stage(data={"source": "a\0b"})]}, "source"),
        ({"stages": [stage(data={"source": "a/b", "rows": 0})]}, "rows"),
        ({"suffix": "../x"}, "suffix"),
        ({"metadata": {"k": 1}}, "k"),
        ({"metadata": {str(n): "" for n in range(17)}}, "metadata"),
        ({"priority": 101}, "priority"),
        ({"keep": {"checkpoints": 3}}, "checkpoints"),
        ({"keep": {"days": 0}}, "days"),
        ({"keep": {"merged": "none"}}, "merged"),
    ],
)
def test_a_value_out_of_bounds_is_refused_by_its_field(body: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        JobSpec.model_validate({**BASE, **body})
    assert field in refused.value.errors()[0]["loc"]


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([stage(), stage()], "needs a name of its own"),
        ([stage(name="base")], "can be called neither 'base' nor"),
        ([stage(replay_fraction=0.1)], "no earlier chat rows"),
        ([stage(), stage(name="b", no_call_fraction=0.6, replay_fraction=0.6)], "must stay below 1"),
    ],
)
def test_stages_that_do_not_go_together_are_refused(stages: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        JobSpec.model_validate({**BASE, "stages": stages})


def test_a_spec_survives_its_way_through_json() -> None:
    spec = JobSpec.model_validate({**BASE, "metadata": {"team": "a"}})
    assert JobSpec.model_validate_json(spec.model_dump_json()) == spec


def test_files_and_hub_names_are_told_apart() -> None:
    for suffix in ("jsonl", "json", "parquet", "jsonl.gz", "json.gz"):
        assert DatasetSpec(source=f"chat/train.{suffix}").is_file
    assert not DatasetSpec(source="HuggingFaceH4/ultrachat_200k").is_file
    for name, is_path in (("./m", True), ("/m", True), ("../m", True), ("Qwen/Qwen2.5-3B", False)):
        assert JobSpec(base_model=name).base_is_path is is_path


def test_uploaded_files_are_known_by_their_ids_and_each_is_counted_once() -> None:
    sources = ["file-B2", "rows.jsonl", "file-A1", "file-A1"]
    body = {**BASE, "stages": [stage(name=f"s{n}", data={"source": each}) for n, each in enumerate(sources)]}
    evaluation = {"chat": {"source": "file-C3"}, "suites": {"x": {"source": "owner/rows"}}}
    spec = JobSpec.model_validate({**body, "evaluation": evaluation})
    assert spec.file_ids == ["file-A1", "file-B2", "file-C3"]
    assert [data.source for data in spec.sources() if data.is_on_hub] == ["owner/rows"]


@pytest.mark.parametrize("source", ["file-", "file-a/b", "file-../x", "file-a.jsonl", "file-a\n", "xfile-a"])
def test_what_only_looks_like_an_uploaded_file_is_none(source: str) -> None:
    assert DatasetSpec(source=source).file_id is None
