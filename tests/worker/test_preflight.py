"""Preflights end to end below the api: claimed, looked into by the real program on the tiny base, reported, swept."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from core import preflights
from core.db import transaction
from core.models import Preflight
from core.preflight_report import Report
from core.preview import PreviewRow
from core.settings import get_settings
from core.spec import JobSpec
from core.states import PreflightStatus
from tests.conftest import Services, forget_settings
from tests.waiting import wait_until
from tests.worker.programs import program_of
from worker import preflight, preflight_program

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather.",
        "parameters": {"type": "object", "properties": {}},
    },
}
CALL = {"type": "function", "function": {"name": "get_weather", "arguments": "{}"}}


def chat(question: str, answer: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def write_rows(services: Services, name: str, rows: list[dict[str, Any]]) -> str:
    (services.data_root / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return name


def spec_on(tiny_base: Path, *sources: str, **stage: Any) -> JobSpec:
    stages = [
        {"name": f"stage{number}", "data": {"source": source}, "max_seq_length": 256, **stage}
        for number, source in enumerate(sources)
    ]
    return JobSpec.model_validate({"base_model": str(tiny_base), "stages": stages})


def ask(spec: JobSpec, **how: Any) -> str:
    with transaction() as session:
        return preflights.ask(session, spec, **how).id


def read(preflight_id: str) -> Preflight:
    with transaction() as session:
        return preflights.get(session, preflight_id, with_preview=True)


@pytest.fixture
def rows(database: Services) -> str:
    """120 rows: one of them twice, one far too long, one without anything to learn, one with a call."""
    plain = [chat(f"Say {number}.", "blue " * (number % 7 + 1)) for number in range(116)]
    masked = {"messages": [plain[0]["messages"][0], {**plain[0]["messages"][1], "weight": 0}]}
    call = {
        "messages": [
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": "", "tool_calls": [CALL]},
        ],
        "tools": [WEATHER],
    }
    return write_rows(database, "rows.jsonl", [*plain, plain[0], chat("Long.", "green " * 400), masked, call])


def test_the_report_counts_rows_and_says_why_some_are_dropped(rows: str, tiny_base: Path) -> None:
    preflight_id = ask(spec_on(tiny_base, rows))
    assert preflight.run_next()
    found = read(preflight_id)
    assert (found.status, found.problems) == (PreflightStatus.SUCCEEDED, None)
    report = Report.model_validate(found.report)
    prepared = report.stages[0].preparation
    assert prepared is not None
    assert (prepared.rows_in, prepared.rows, prepared.steps) == (120, 118, 8)
    dropped = {reason: rows for reason, rows in prepared.dropped.items() if rows.count}
    places = {reason: [str(place) for place in rows.first] for reason, rows in dropped.items()}
    assert places == {"too_long": ["rows.jsonl, row 118"], "nothing_trained": ["rows.jsonl, row 119"]}
    assert [str(place) for place in prepared.duplicates.first] == ["rows.jsonl, row 117"]
    assert 0 < prepared.trained_tokens < prepared.tokens
    assert sum(bucket.rows for bucket in prepared.lengths) == 118


def test_the_report_has_weights_memory_and_warnings(rows: str, tiny_base: Path) -> None:
    preflight_id = ask(spec_on(tiny_base, rows))
    preflight.run_next()
    report = Report.model_validate(read(preflight_id).report)
    assert report.stages[0].trainable_parameters == 291_840  # as Unsloth counts them, in the `device` event
    assert [memory.backend for memory in report.stages[0].memory] == ["cuda", "cpu"]
    assert {memory.basis for memory in report.stages[0].memory} == {"longest prepared row"}
    assert [card.fits for card in report.cards] == [True] * 5
    assert {warning.code for warning in report.warnings} >= {"warmup_too_long", "rows_without_answer"}
    assert [time.device for time in report.times] == ["NVIDIA L4", "NVIDIA A100", "NVIDIA H100"]
    assert all("computed, not measured" in time.source for time in report.times)


def test_the_samples_are_what_is_trained_on(rows: str, tiny_base: Path) -> None:
    preflight_id = ask(spec_on(tiny_base, rows))
    preflight.run_next()
    [stage] = read(preflight_id).preview or []
    samples = [PreviewRow.model_validate(row) for row in stage["rows"]]
    assert 3 <= len(samples) <= 12
    assert samples[0].shown_as[0] == "first row"
    reasons = {reason for sample in samples for reason in sample.shown_as}
    assert {"longest row", "tool call", "no tools"} <= reasons
    learned = "".join(piece.text for piece in samples[0].pieces() if piece.is_trained)
    assert learned == "blue <|im_end|>"
    assert "get_weather" in "".join(samples[-1].texts)


def test_all_problems_of_all_stages_are_told(database: Services, tiny_base: Path) -> None:
    too_long = write_rows(database, "long.jsonl", [chat("Say.", "blue " * 300)] * 3)
    broken = write_rows(database, "broken.jsonl", [chat("Hi.", "Hello.")] * 2 + [{"messages": []}])
    preflight_id = ask(spec_on(tiny_base, too_long, broken))
    preflight.run_next()
    found = read(preflight_id)
    assert found.status == PreflightStatus.REFUSED
    assert [(one["param"], one["code"]) for one in found.problems or []] == [
        ("stages[0].data", "bad_data"),
        ("stages[1].data", "bad_data"),
    ]
    assert found.report is not None


def test_nothing_is_left_on_the_disk(rows: str, tiny_base: Path) -> None:
    ask(spec_on(tiny_base, rows))
    preflight.run_next()
    assert list((get_settings().storage_path / "preflights").iterdir()) == []


def test_a_doorbell_begins_the_work_and_one_that_rings_meanwhile_is_not_missed(rows: str, tiny_base: Path) -> None:
    first = ask(spec_on(tiny_base, rows))
    preflight.begin()
    wait_until(lambda: read(first).status == PreflightStatus.RUNNING, 20)
    second = ask(spec_on(tiny_base, rows, batch_size=2))
    preflight.begin()
    wait_until(lambda: {read(one).status for one in (first, second)} == {PreflightStatus.SUCCEEDED}, 60)


def test_the_program_of_a_cancelled_one_is_stopped(endless_data: str, tiny_base: Path) -> None:
    first = ask(spec_on(tiny_base, endless_data))
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(preflight.run_next)
        program = program_of(get_settings().storage_path / "preflights" / first)
        ask(spec_on(tiny_base, "other.jsonl"), supersedes=first)
        assert working.result(20)
    assert not program.is_running()
    assert read(first).status == PreflightStatus.CANCELLED


def test_one_that_takes_too_long_fails_and_says_so(rows: str, tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNESMITH_PREFLIGHT_TIMEOUT_S", "1.1")
    forget_settings()
    preflight_id = ask(spec_on(tiny_base, rows))
    preflight.run_next()
    monkeypatch.undo()
    forget_settings()
    found = read(preflight_id)
    assert found.status == PreflightStatus.FAILED
    assert [one["code"] for one in found.problems or []] == ["preflight_timeout"]
    assert found.report is not None, "what needs no rows is reported all the same"


def test_a_model_of_the_hub_that_cannot_be_reached_still_has_its_weights_counted(
    database: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    preflight_id = ask(JobSpec(base_model="Qwen/Qwen2.5-3B"))
    preflight.run_next()
    found = read(preflight_id)
    report = Report.model_validate(found.report)
    assert [one["code"] for one in found.problems or []] == ["hub_unreachable"]
    assert [stage.trainable_parameters for stage in report.stages] == [29_933_568, 29_933_568]
    assert report.architecture_source == "published config"


def test_what_a_killed_process_left_is_removed_and_what_is_at_work_stays(database: Services, tiny_base: Path) -> None:
    at_work = ask(spec_on(tiny_base, "a.jsonl"))
    root = get_settings().storage_path / "preflights"
    for name in (f"{at_work}.token", "preflight-gone.token"):
        (root / name / "chat").mkdir(parents=True)
    preflight_program.sweep_folders()
    assert [folder.name for folder in root.iterdir()] == [f"{at_work}.token"]
    with transaction() as session:
        session.execute(text("DELETE FROM preflights"))
    preflight_program.sweep_folders()
    assert list(root.iterdir()) == []


def test_what_nobody_asks_for_any_more_is_swept(database: Services, tiny_base: Path) -> None:
    old, new = ask(spec_on(tiny_base, "a.jsonl")), ask(spec_on(tiny_base, "b.jsonl"))
    with transaction() as session:
        session.execute(
            text("UPDATE preflights SET created_at = now() - interval '8 days' WHERE id = :id"), {"id": old}
        )
        assert preflights.sweep(session, 7 * 86_400) == 1
    assert read(new).id == new
