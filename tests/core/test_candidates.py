"""A candidate is live by its verdict only, lasts no longer than its run, and what was live is never lost to it."""

import pytest

from core import candidates, deployments, rollback, runs
from core.db import transaction
from core.errors import Conflict
from core.models import Deployment
from core.states import OPEN, DeploymentStatus, JobStatus
from core.verdict import Condition, Verdict
from tests.core.sessions import claim, new_job, new_model

pytestmark = pytest.mark.usefixtures("database")
ALIAS = "tunesmith"
D = DeploymentStatus
GOOD = Verdict.of([Condition(name="tools.stop_rate", passed=True, text="it is 0.9")])
BAD = Verdict.of([Condition(name="tools.stop_rate", passed=False, text="it is 0.1")])


def asked(model_id: str, *targets: DeploymentStatus, job_id: str | None = None) -> str:
    """A deployment that is to be measured first, in the last of these states."""
    with transaction() as session:
        deployment = deployments.request(session, ALIAS, new_model(model_id), job_id, candidate="if_room")
        for target in targets:
            deployments.advance(session, deployment.id, target)
    return deployment.id


def candidate(model_id: str, job_id: str | None = None) -> str:
    return asked(model_id, D.STAGING, D.CANDIDATE, job_id=job_id)


def live(model_id: str) -> str:
    return asked(model_id, D.STAGING, D.SWAPPING, D.LIVE)


def read(deployment_id: str) -> Deployment:
    with transaction() as session:
        return deployments.get(session, deployment_id)


def turn_down(deployment_id: str) -> Deployment | None:
    with transaction() as session:
        return candidates.turn_down(session, deployment_id, BAD, "it is 0.1")


def test_it_waits_in_the_queue_as_itself_until_its_verdict_is_there() -> None:
    deployment_id = candidate("m")
    assert D.CANDIDATE in OPEN
    assert not candidates.is_accepted(read(deployment_id))
    with transaction() as session:
        candidates.accept(session, deployment_id, GOOD)
    accepted = read(deployment_id)
    assert candidates.is_accepted(accepted)
    assert (accepted.status, accepted.gate) == (D.CANDIDATE, GOOD.model_dump(mode="json"))


def test_one_that_was_withdrawn_meanwhile_is_not_accepted() -> None:
    deployment_id = candidate("m")
    with transaction() as session:
        assert rollback.roll_back(session, deployment_id)[0].status == D.SUPERSEDED
    with transaction() as session, pytest.raises(Conflict, match="was withdrawn while m was measured"):
        candidates.accept(session, deployment_id, GOOD)


def test_one_that_is_turned_down_fails_and_what_is_live_is_live() -> None:
    before, deployment_id = live("old"), candidate("m")
    assert turn_down(deployment_id) is None
    failed = read(deployment_id)
    assert (failed.status, failed.error, failed.gate) == (D.FAILED, "it is 0.1", BAD.model_dump(mode="json"))
    with transaction() as session:
        wanted = deployments.desired(session, ALIAS)
        assert wanted is not None
        assert wanted.id == before


def test_one_that_is_live_already_makes_way_for_what_was_there() -> None:
    live("old")
    deployment_id = live("m")
    back = turn_down(deployment_id)
    assert back is not None
    assert (back.model_id, back.rollback_of, back.status) == ("old", deployment_id, D.PENDING)
    again = turn_down(deployment_id)
    assert again is not None
    assert again.id == back.id, "asking twice changes nothing"


def test_where_nothing_was_before_it_is_taken_down_and_no_rollback_brings_it_back() -> None:
    deployment_id = live("m")
    assert turn_down(deployment_id) is None
    assert read(deployment_id).status == D.FAILED
    with transaction() as session:
        assert deployments.live_aliases(session) == set()
    newer = live("n")
    with transaction() as session, pytest.raises(Conflict, match="has served nothing but 'n'"):
        rollback.roll_back(session, newer)


def test_one_that_was_only_measured_is_let_go_and_what_went_live_stays() -> None:
    measured = candidate("m")
    with transaction() as session:
        candidates.let_go(session, measured)
    assert (read(measured).status, read(measured).live_at) == (D.SUPERSEDED, None)
    served = live("n")
    with transaction() as session:
        candidates.let_go(session, served)
    assert read(served).status == D.LIVE


@pytest.mark.parametrize("target", [JobStatus.QUEUED, JobStatus.PAUSED, JobStatus.FAILED])
def test_it_does_not_outlast_the_run_that_measures_it(target: JobStatus) -> None:
    new_job()
    lease = claim()
    deployment_id = candidate("m", lease.job_id)
    with transaction() as session:
        job = runs.hold(session, lease)
        if target == JobStatus.PAUSED:
            job.status = JobStatus.PAUSING
        if target == JobStatus.FAILED:
            runs.finish(session, lease, target, {"code": "gate_failed", "message": "m", "stage": "tools"})
        else:
            runs.stopped(session, lease, "the worker is told to end")
    assert read(deployment_id).status == D.SUPERSEDED
