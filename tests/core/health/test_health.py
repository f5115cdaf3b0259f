"""Healthy trainings are left alone, and each kind of sick one is told by the rule that is meant for it."""

import math
import random
from collections.abc import Iterable

import pytest

from core.health import Health, HealthWatch, Step, verdict
from core.health.schedule import planned
from core.spec import DatasetSpec, StageSpec
from tests.core.health.traces import CHAT, TIMES_100, TOOLS, trace


def made(losses: Iterable[float], stage: StageSpec = CHAT, epochs: int = 1) -> list[Step]:
    """Steps with these losses, and all else as it should be."""
    all_losses = list(losses)
    count = len(all_losses)
    return [
        Step(
            step=number,
            epoch=epochs * number / count,
            loss=loss,
            grad_norm=0.5,
            learning_rate=planned(stage, number, count),
        )
        for number, loss in enumerate(all_losses, 1)
    ]


def falling(count: int, lowest: float = 1.0, noise: float = 0.1) -> list[float]:
    """Losses that fall from 2.5, as noisy as those of chat rows."""
    draw = random.Random(count)
    return [lowest + (2.5 - lowest) * math.exp(-8 * i / count) + draw.gauss(0, noise) for i in range(count)]


def judged(steps: list[Step], stage: StageSpec = CHAT) -> Health:
    return verdict(steps, stage, len(steps))


@pytest.mark.parametrize(("name", "stage"), [("demo_chat", CHAT), ("demo_tools", TOOLS)])
def test_the_example_job_is_healthy(name: str, stage: StageSpec) -> None:
    health = judged(trace(name), stage)
    assert (health.status, health.warnings) == ("healthy", [])
    assert health.loss_first is not None
    assert health.loss_last is not None
    assert health.loss_last < health.loss_first / 5
    assert health.token_probability_last is not None
    assert math.isclose(health.token_probability_last, math.exp(-health.loss_last), abs_tol=1e-3)


def test_a_low_loss_on_rows_that_are_new_is_a_note_and_no_warning() -> None:
    [note] = judged(trace("demo_tools"), TOOLS).findings
    assert (note.kind, note.level) == ("low_loss", "note")


def test_a_rate_that_is_a_hundred_times_too_high_shows_as_a_rising_loss() -> None:
    health = judged(trace("rate_times_100"), TIMES_100)
    assert (health.status, health.warnings) == ("unhealthy", ["loss_rising"])
    [finding] = health.findings
    assert finding.step == 20
    assert finding.figure > finding.bound
    assert "learning_rate" in finding.advice


def test_one_batch_of_random_tokens_shows_as_a_spike_at_its_step() -> None:
    health = judged(trace("bad_batch"))
    spike = next(finding for finding in health.findings if finding.kind == "spike")
    assert health.warnings == ["spike"]
    assert spike.step == 41


@pytest.mark.parametrize("count", [40, 400, 3_750])
def test_noise_alone_is_no_finding(count: int) -> None:
    for noise in (0.02, 0.1, 0.3):
        assert judged(made(falling(count, noise=noise))).findings == ()


def test_a_loss_that_turns_round_is_told_once_and_counted() -> None:
    losses = falling(400)
    turned = [*losses[:200], *(loss + 0.005 * i for i, loss in enumerate(losses[200:]))]
    health = judged(made(turned))
    [finding] = health.findings
    assert finding.kind == "loss_rising"
    assert 200 < finding.step < 300
    assert finding.times > 100


def test_a_loss_that_halves_in_a_later_epoch_is_memorising() -> None:
    losses = [*falling(200, lowest=0.8), *([0.1] * 200)]
    assert judged(made(losses, epochs=2)).warnings == ["memorising"]
    assert judged(made(losses)).warnings == []


def test_a_rate_that_stays_where_the_schedule_falls_is_told_at_the_first_step_that_differs() -> None:
    steps = trace("demo_chat")
    frozen = [step if step.step <= 6 else step.model_copy(update={"learning_rate": 0.0015}) for step in steps]
    [finding] = [each for each in judged(frozen).findings if each.kind == "learning_rate"]
    assert (finding.step, finding.figure) == (8, 0.0015)  # at step 7 the cosine has hardly begun to fall
    assert finding.bound < 0.0015


@pytest.mark.parametrize(("norm", "message"), [(40.0, "is cut to 1"), (1e-6, "next to nothing is learned")])
def test_gradient_norms_outside_of_their_band_are_told(norm: float, message: str) -> None:
    steps = [step.model_copy(update={"grad_norm": norm}) for step in made(falling(100))]
    [finding] = judged(steps).findings
    assert finding.kind == "gradient_norm"
    assert message in finding.message


def test_high_norms_while_the_warm_up_lasts_are_nothing_unusual() -> None:
    steps = made(falling(100))
    early = [step.model_copy(update={"grad_norm": 15.0}) if step.step <= 10 else step for step in steps]
    assert judged(early).findings == ()


def test_a_few_steps_are_too_few_to_judge() -> None:
    assert judged(made(falling(8))).status == "too_short"


def test_losses_that_are_no_numbers_are_left_to_the_watch_for_divergence() -> None:
    steps = [step.model_copy(update={"loss": None, "grad_norm": None}) for step in made(falling(30))]
    health = judged(steps)
    assert (health.findings, health.loss_last, health.token_probability_last) == ((), None, None)


def test_a_running_training_is_told_what_its_verdict_says_and_repeated_steps_are_passed_over() -> None:
    steps = trace("rate_times_100")
    watch = HealthWatch(TIMES_100, len(steps))
    told = [(step.step, found.kind) for step in [*steps[:40], *steps[30:]] for found in watch.see(step)]
    assert told == [(20, "loss_rising")]
    assert watch.health() == judged(steps, TIMES_100)


@pytest.mark.parametrize("scheduler", ["cosine", "linear", "constant"])
def test_the_planned_rate_is_that_of_transformers(scheduler: str) -> None:
    import torch  # takes seconds, which the other tests need not pay
    from transformers import get_scheduler

    stage = StageSpec.model_validate(
        {"name": "chat", "data": DatasetSpec(source="rows.jsonl"), "warmup_steps": 5, "lr_scheduler": scheduler}
    )
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=stage.learning_rate)
    name = "constant_with_warmup" if scheduler == "constant" else scheduler
    schedule = get_scheduler(name, optimizer, num_warmup_steps=5, num_training_steps=40)
    for step in range(1, 41):
        assert math.isclose(planned(stage, step, 40), schedule.get_last_lr()[0], abs_tol=1e-9)
        optimizer.step()
        schedule.step()
