"""`list_events` and `checkpoints.list` of OpenAI's SDK: events and steps in one list, and the models of the stages."""

from typing import Any

import openai
import pytest

from core import evaluations, jobs, model_registry, runs
from core.db import transaction
from core.runs import Lease
from core.spec import DatasetSpec, JobSpec, StageSpec
from tests.core.sessions import claim
from tests.sdk import Sdk

STAGES = tuple(StageSpec(name=name, data=DatasetSpec(source="o/n")) for name in ("chat", "tools"))
PLAN: dict[str, Any] = {"stages": [{"name": name, "steps": 3} for name in ("chat", "tools")], "total_steps": 6}


@pytest.fixture
def lease(sdk: Sdk) -> Lease:
    """The run of a job of two stages; it has trained the first, and two steps of the second."""
    stages = [{**stage, "rows": 48, "effective_batch": 16} for stage in PLAN["stages"]]
    with transaction() as session:
        jobs.create(session, JobSpec(base_model="o/m", stages=STAGES), {**PLAN, "stages": stages})
    lease = claim()
    for stage, step in (("chat", 1), ("chat", 2), ("chat", 3), ("tools", 1), ("tools", 2)):
        with transaction() as session:
            runs.record_progress(session, lease, None, [metric(stage, step)])
    with transaction() as session:
        model_registry.register_model(
            session, "ft:c", stage="chat", base_model="o/m", location="c", manifest={}, job_id=lease.job_id
        )
        evaluations.record(session, lease, "chat", "ft:c", {"chat": {"loss": {"value": 0.75, "perplexity": 2.1}}})
    return lease


def metric(stage: str, step: int) -> dict[str, Any]:
    return {
        "stage": stage,
        "step": step,
        "epoch": 0.5,
        "loss": 1 / step,
        "grad_norm": 1.0,
        "learning_rate": 1e-4,
        "tokens": 100 * step,
        "tokens_per_s": 10.0,
        "step_s": 1.0,
    }


def test_events_and_steps_come_in_one_list_the_newest_first(sdk: Sdk, lease: Lease) -> None:
    events = sdk.all(sdk.client.fine_tuning.jobs.list_events(lease.job_id))
    assert [(event.type, event.message) for event in events] == [
        ("metrics", "Step 5/6: training loss=0.5"),
        ("metrics", "Step 4/6: training loss=1"),
        ("metrics", "Step 3/6: training loss=0.3333"),
        ("metrics", "Step 2/6: training loss=0.5"),
        ("metrics", "Step 1/6: training loss=1"),
        ("message", "Run 1 started on worker"),
        ("message", "Job created: chat -> tools"),
    ]
    assert {(event.object, event.level) for event in events} == {("fine_tuning.job.event", "info")}
    newest = events[0].data
    assert (newest["step"], newest["total_steps"], newest["train_loss"], newest["stage"]) == (5, 6, 0.5, "tools")


@pytest.mark.parametrize("limit", [1, 2, 3, 6])
def test_paging_through_the_events_shows_each_once(sdk: Sdk, lease: Lease, limit: int) -> None:
    list_events = sdk.client.fine_tuning.jobs.list_events
    whole = sdk.all(list_events(lease.job_id, limit=100))
    assert sdk.all(list_events(lease.job_id, limit=limit)) == whole
    assert sdk.all(list_events(lease.job_id, after=whole[3].id)) == whole[4:]


def test_a_page_ends_within_entries_of_one_moment(sdk: Sdk, lease: Lease) -> None:
    with transaction() as session:
        # As many as one write brings of a stage that logs fast.
        steps = [metric("tools", step) | {"at": "2026-11-25T00:00:00Z"} for step in range(3, 43)]
        runs.record_progress(session, lease, None, steps)
    events = sdk.all(sdk.client.fine_tuning.jobs.list_events(lease.job_id, limit=7))
    assert len({event.id for event in events}) == len(events) == 47


@pytest.mark.parametrize("after", ["ftevent-999999", "ftevent-tools-step-99", "other"])
def test_an_unknown_place_in_the_list_is_not_found(sdk: Sdk, lease: Lease, after: str) -> None:
    with pytest.raises(openai.NotFoundError, match="has no event of that id"):
        sdk.all(sdk.client.fine_tuning.jobs.list_events(lease.job_id, after=after))


def test_each_stage_leaves_a_checkpoint_that_can_be_used(sdk: Sdk, lease: Lease) -> None:
    checkpoints = sdk.client.fine_tuning.jobs.checkpoints
    [chat] = sdk.all(checkpoints.list(lease.job_id))
    assert (chat.object, chat.fine_tuning_job_id) == ("fine_tuning.job.checkpoint", lease.job_id)
    assert (chat.id[:7], chat.fine_tuned_model_checkpoint, chat.step_number) == ("ftckpt_", "ft:c", 3)
    assert (chat.metrics.step, chat.metrics.full_valid_loss) == (3, 0.75)
    assert chat.metrics.train_loss == pytest.approx(1 / 3)
    with transaction() as session:
        model_registry.register_model(
            session, "ft:t", stage="tools", base_model="o/m", location="t", manifest={}, job_id=lease.job_id
        )
    listed = sdk.all(checkpoints.list(lease.job_id, limit=1))
    assert [(each.fine_tuned_model_checkpoint, each.step_number) for each in listed] == [("ft:t", 5), ("ft:c", 3)]
    with pytest.raises(openai.NotFoundError, match="has no checkpoint of that id"):
        sdk.all(checkpoints.list(lease.job_id, after="ftckpt_none"))
