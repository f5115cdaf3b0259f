"""A model whose gate holds goes live; one whose gate fails ends its job, stays where it is, and fails again at once."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select

from core import deployments, jobs, model_registry
from core.db import transaction
from core.models import Deployment, Event, Job
from core.runs import Lease
from core.significance import rate
from core.spec import JobSpec
from core.states import DeploymentStatus, JobStatus
from core.storage import stage_dir, write_json
from core.verdict import Verdict
from tests.core.sessions import claim, new_model, read
from tests.waiting import wait_until
from tests.worker.test_runner import ALIAS, claimed, deployed, events, leave_all, make_live, spec_of
from worker.artefacts import Artefacts
from worker.runner import run_job

pytestmark = pytest.mark.usefixtures("database")
D = DeploymentStatus
MEASURED = {"tools": {"source": "rows.jsonl"}, "chat": {"source": "rows.jsonl"}}
FLOOR = {"floors": [{"metric": "function_name_and_args_accuracy", "low": 0.8}]}


def gated(gate: dict[str, Any]) -> JobSpec:
    fields = {"evaluation": MEASURED, "deploy": {"gate": gate}}
    return JobSpec.model_validate({**spec_of().model_dump(), **fields})


def scores(right: int, rise: float = 0.0) -> dict[str, Any]:
    """Of a model that gets so many of 100 rows right, and whose chat loss is so much higher than after `chat`."""
    exact = rate([True] * right + [False] * (100 - right))
    no_change = {"worse": 0, "better": 0, "p_value": 1.0}
    shares = dict.fromkeys(("unstopped", "empty", "repetitive"), no_change)
    chat = {"regression": {"before": "chat", "rows": 50, "loss": {"value": rise, "low": rise, "high": rise}, **shares}}
    suite = {"kind": "held_out", "rows": 100, "function_name_and_args_accuracy": exact, "by_kind": {}}
    return {"version": 2, "headline": "tools", "suites": {"tools": suite}, "chat": chat}


def measured(gate: dict[str, Any], *, right: int, rise: float = 0.0) -> tuple[Lease, str]:
    """A run of a job whose models were all measured, but not judged yet; and its last model."""
    spec = gated(gate)
    lease = claimed(spec)
    leave_all(lease.job_id, measured=["base", "chat", "tools"])
    found = {"base": scores(0), "chat": scores(0), "tools": scores(right, rise)}
    for stage, each in found.items():
        write_json(stage_dir(lease.job_id, stage) / "run-1" / "evaluate.json", each)
    return lease, Artefacts(lease.job_id, spec).model_name(spec.stages[-1])


def run_with_a_gateway(lease: Lease) -> None:
    """Run the job, and do what a gateway does when it is asked for a model."""
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(run_job, lease)

        def serve() -> bool:
            with transaction() as session:
                found = deployments.next_open(session)
                if found is not None:
                    for target in (D.STAGING, D.SWAPPING, D.LIVE):
                        deployments.advance(session, found[0].id, target)
            return ended.done()

        wait_until(serve, 30)
        ended.result()


def verdict_of(model_id: str) -> Verdict:
    with transaction() as session:
        found = model_registry.gate_of(session, model_id)
    assert found is not None
    return found


def told(type_: str) -> list[dict[str, Any] | None]:
    with transaction() as session:
        return list(session.scalars(select(Event.data).where(Event.type == type_).order_by(Event.id)))


def test_a_model_that_holds_everything_goes_live_with_its_verdict_and_only_the_last_one_does() -> None:
    make_live(new_model("old"))
    lease, model_id = measured({**FLOOR, "max_chat_loss_rise": 0.1}, right=95)
    run_with_a_gateway(lease)
    assert read(lease.job_id).status == JobStatus.SUCCEEDED
    assert deployed() == ["old", model_id]
    with transaction() as session:
        live = deployments.live_on(session, ALIAS)
        assert live is not None
        assert (live.model_id, live.candidate) == (model_id, None)
        assert live.gate == verdict_of(model_id).model_dump(mode="json")
    names = ["tools.function_name_and_args_accuracy", "chat.loss"]
    assert [each.name for each in verdict_of(model_id).conditions] == names
    assert told("gate.passed") == [verdict_of(model_id).model_dump(mode="json")]


def test_a_model_that_fails_ends_the_job_and_what_is_live_stays() -> None:
    make_live(new_model("old"))
    lease, model_id = measured({**FLOOR, "max_chat_loss_rise": 0.1}, right=80, rise=0.2)
    run_job(lease)
    job = read(lease.job_id)
    assert (job.status, deployed()) == (JobStatus.FAILED, ["old"])
    assert job.error is not None
    assert (job.error["code"], job.error["stage"]) == ("gate_failed", "tools")
    assert job.error["message"] == (
        f"{model_id} does not go live: tools.function_name_and_args_accuracy is 0.800 over 100 rows (95% interval "
        "0.711 to 0.867), and the lower end must be 0.8 at least; the held-out chat loss is +0.200 nats a token to "
        "that after chat over 50 rows (95% interval +0.200 to +0.200), and the upper end may be 0.1 at most"
    )
    assert told("gate.failed") == [verdict_of(model_id).model_dump(mode="json")]
    assert not verdict_of(model_id).passed


def test_a_retry_fails_at_once_by_the_verdict_that_is_there() -> None:
    lease, model_id = measured(FLOOR, right=10)
    run_job(lease)
    first = verdict_of(model_id)
    # Whatever the files say now: nothing is measured or judged again.
    write_json(stage_dir(lease.job_id, "tools") / "run-1" / "evaluate.json", scores(100))
    with transaction() as session:
        jobs.retry(session, lease.job_id)
    run_job(claim())
    assert read(lease.job_id).status == JobStatus.FAILED
    assert (verdict_of(model_id), deployed(), len(events("gate.failed"))) == (first, [], 2)


def test_a_gate_of_an_earlier_stage_ends_the_job_before_the_next_one_trains() -> None:
    lease, _ = measured({**FLOOR, "stages": {"chat": {"floors": [{"low": 0.1}]}}}, right=100)
    run_job(lease)
    job = read(lease.job_id)
    assert job.error is not None
    assert (job.error["code"], job.error["stage"]) == ("gate_failed", "chat")
    assert deployed() == []


def test_one_that_was_live_before_it_was_judged_makes_way_for_what_was_there() -> None:
    """A run broke off between measuring a model that had to be live for it, and judging it."""
    make_live(new_model("old"))
    lease, model_id = measured(FLOOR, right=10)
    spec = gated(FLOOR)
    with transaction() as session:
        Artefacts(lease.job_id, spec).register(session, lease, spec.stages[-1])
    make_live(model_id, lease.job_id)
    run_with_a_gateway(lease)
    assert read(lease.job_id).status == JobStatus.FAILED
    assert deployed() == ["old", model_id, "old"]
    with transaction() as session:
        live = deployments.live_on(session, ALIAS)
        assert live is not None
        assert live.model_id == "old"
    assert events("deployment.rolled_back") == ["old is live again"]


def test_a_model_that_a_person_forced_is_not_taken_down_by_a_retry_of_its_job() -> None:
    lease, model_id = measured(FLOOR, right=10)
    run_job(lease)
    with transaction() as session:
        deployments.ask(session, ALIAS, model_id, gate=verdict_of(model_id), forced="a demo")
        [row] = session.scalars(select(Deployment))
        for target in (D.STAGING, D.SWAPPING, D.LIVE):
            deployments.advance(session, row.id, target)
        jobs.retry(session, lease.job_id)
    run_job(claim())
    with transaction() as session:
        assert session.get_one(Job, lease.job_id).status == JobStatus.FAILED
        assert session.scalars(select(Deployment.status)).all() == [D.LIVE]
