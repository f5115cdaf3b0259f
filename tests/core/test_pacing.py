"""How long a job takes: measured where earlier jobs tell, computed and marked as such where not, else not known."""

from typing import Any

import pytest
from sqlalchemy import update

from core import pacing
from core.architecture import of_hub_name
from core.db import transaction
from core.durations import Span
from core.estimate import Found, Pace, WorkerSeen, make
from core.models import Job, Metric
from core.preparation import Preparation
from core.spec import JobSpec
from core.states import JobStatus
from core.training_time import computed_tokens_per_s, training_span
from tests.conftest import Services
from tests.core.counts import SOUND
from tests.core.sessions import SPEC, new_job

GPU, CPU = "NVIDIA H100 80GB HBM3", "cpu (4 cores)"


def found(*devices: str, spec: JobSpec = SPEC, prepared: bool = True) -> Found:
    workers = [WorkerSeen(f"w{number}", device, 80 * 1024**3) for number, device in enumerate(devices)]
    names = [one.name for one in spec.stages] if prepared else []
    preparation = Preparation.model_validate({**SOUND, "tokens": 1_000_000})
    return Found(spec, of_hub_name(spec.base_model), dict.fromkeys(names, preparation), workers)


def paces(of: Found) -> list[Pace]:
    with transaction() as session:
        return pacing.paces(session, of)


def trained_before(device: dict[str, Any], *tokens_per_s: float) -> None:
    """An earlier job on the same base that ran so fast, step by step."""
    job_id = new_job()
    with transaction() as session:
        session.execute(update(Job).where(Job.id == job_id).values(status=JobStatus.SUCCEEDED, device=device))
        for step, speed in enumerate(tokens_per_s, 1):
            values = {"epoch": 0.1, "learning_rate": 1e-4, "tokens": 10, "step_s": 1.0, "attempt": 1}
            session.add(Metric(job_id=job_id, stage="chat", step=step, tokens_per_s=speed, **values))


def test_without_earlier_jobs_the_time_is_computed_and_says_so(database: Services) -> None:
    [pace] = paces(found(GPU))
    assert pace.device == GPU
    assert pace.source.startswith("computed, not measured")
    assert pace.span is not None
    # Two stages of a million tokens, 6 operations a weight, at 15 to 50% of 989 TFLOP/s.
    per_token = 6 * 3_085_938_688
    assert pace.span.low > 2e6 * per_token / (0.5 * 989e12)
    assert pace.span.high > 2e6 * per_token / (0.15 * 989e12)


def test_earlier_jobs_on_the_same_base_and_kind_of_device_are_what_counts(database: Services) -> None:
    trained_before({"backend": "cuda", "name": GPU}, 900, 1000, 1100)
    trained_before({"backend": "cuda", "name": GPU}, 2000)
    on_gpu, on_cpu = paces(found(GPU, CPU))
    assert on_gpu.source == "measured: 900 to 2200 tokens/s in earlier jobs on this base model"
    assert on_cpu.source.startswith("computed")
    assert on_gpu.span is not None
    assert on_gpu.span.low >= 2_000_000 / 2200


def test_without_a_worker_the_reference_cards_are_shown(database: Services) -> None:
    assert [pace.device for pace in paces(found())] == list(pacing.REFERENCE_CARDS)


def test_a_device_of_unknown_speed_and_rows_not_prepared_have_no_time(database: Services) -> None:
    [unknown] = paces(found("Some GPU 9000"))
    [unprepared] = paces(found(GPU, prepared=False))
    assert (unknown.span, unprepared.span) == (None, None)
    assert "no known speed of this device" in unknown.source
    assert "tokens of some stage are not known" in unprepared.source


def test_the_tokens_are_those_of_the_steps_that_are_taken() -> None:
    """The prepared stage takes 63 steps, of which one epoch has 63 and three have 189."""
    assert found().tokens() == 2_000_000
    stages = tuple(stage.model_copy(update={"epochs": 3, "max_steps": 63}) for stage in SPEC.stages)
    assert found(spec=SPEC.model_copy(update={"stages": stages})).tokens() == 2_000_000


def test_a_cpu_is_as_fast_as_its_cores() -> None:
    architecture = of_hub_name("Qwen/Qwen2.5-0.5B")
    assert architecture is not None
    one, four = (computed_tokens_per_s(architecture, f"cpu ({cores} cores)", "cpu") for cores in (1, 4))
    assert one is not None
    assert four is not None
    assert four.low == pytest.approx(4 * one.low)


def test_the_slowest_and_the_fastest_make_the_range() -> None:
    assert training_span(1000, [Span(10, 20), Span(5, 8)]) == Span(50, 200)


def test_hours_and_cost_follow_from_the_range() -> None:
    priced = make(found(), [Pace(GPU, Span(1800, 7200), "measured")], price=2.5, currency="EUR")
    free = make(found(), [Pace(GPU, Span(1800, 7200), "measured")], price=None, currency="EUR")
    assert (priced.times[0].gpu_hours, priced.times[0].cost, priced.currency) == ((0.5, 2.0), (1.25, 5.0), "EUR")
    assert free.times[0].cost is None


def test_a_job_that_no_worker_can_hold_is_warned_of_with_the_change() -> None:
    small = Found(SPEC, of_hub_name(SPEC.base_model), {}, [WorkerSeen("small", "NVIDIA T4", 4 * 1024**3)])
    report = make(small, [], None, "USD")
    [warning] = [one for one in report.warnings if one.code == "no_worker_fits"]
    assert "small, has 4 GB" in warning.message
    assert [verdict.fits for verdict in report.workers] == [False]
    assert len(report.workers[0].changes) == 2


def test_nothing_is_made_up_of_a_model_whose_sizes_are_not_known() -> None:
    unknown = JobSpec(base_model="someone/wonder")
    report = make(Found(unknown, None, {}, []), [], None, "USD")
    assert (report.base_parameters, report.cards, report.total_steps) == (None, [], None)
    assert [(stage.trainable_parameters, stage.memory) for stage in report.stages] == [(None, [])] * 2


def test_an_estimate_by_name_gives_memory_but_no_count_of_weights() -> None:
    guessed = JobSpec(base_model="someone/wonder-3B")
    report = make(Found(guessed, of_hub_name(guessed.base_model), {}, []), [], None, "USD")
    assert report.base_parameters is None
    assert report.architecture_source == "size in the name"
    assert report.stages[0].trainable_parameters is None
    assert report.stages[0].memory[0].total_gb > 1
