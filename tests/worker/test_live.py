"""A run makes a model live only while it owns its job and nobody has asked it to stop."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from core import deployments, jobs, model_registry, runs
from core.db import transaction
from core.errors import LeaseLost, ParityMismatch, ServiceError
from core.models import Deployment
from core.parity import Mismatch, ParityRecord
from core.settings import get_settings
from core.spec import DeploySpec
from core.states import DeploymentStatus, JobStatus
from tests.core.sessions import new_model, read, status_of
from tests.waiting import wait_until
from tests.worker.programs import new_keeper
from worker.lease import Stopped
from worker.live import DeploymentFailed, LiveModel, longest_wait_s

pytestmark = pytest.mark.usefixtures("database")


def statuses() -> list[DeploymentStatus]:
    with transaction() as session:
        return list(session.scalars(select(Deployment.status).order_by(Deployment.seq)))


def test_a_run_that_lost_its_lease_asks_for_nothing() -> None:
    keeper = new_keeper()
    with transaction() as session:
        runs.stopped(session, keeper.lease, "taken away by the test")
    with pytest.raises(LeaseLost):
        LiveModel(keeper).deploy(new_model("m"), DeploySpec())
    assert statuses() == []


def test_a_cancelled_job_asks_for_nothing_though_its_run_has_not_noticed_yet() -> None:
    keeper = new_keeper()
    with transaction() as session:
        jobs.cancel(session, keeper.lease.job_id)
    assert keeper.stop_reason is None
    with pytest.raises(Stopped, match="the job is cancelling"):
        LiveModel(keeper).deploy(new_model("m"), DeploySpec())
    assert statuses() == []


def test_a_job_cancelled_while_it_waits_for_the_gateway_does_not_go_live_later() -> None:
    keeper, model = new_keeper(watch_s=0.1), new_model("m")
    with ThreadPoolExecutor(1) as pool:
        deployed = pool.submit(LiveModel(keeper).deploy, model, DeploySpec())
        wait_until(lambda: statuses() == [DeploymentStatus.PENDING])
        with transaction() as session:
            jobs.cancel(session, keeper.lease.job_id)
        with pytest.raises(Stopped):
            deployed.result(10)
    keeper.write(lambda session: runs.stopped(session, keeper.lease, "the job is cancelling"))
    assert status_of(keeper.lease.job_id) == JobStatus.CANCELLED
    assert statuses() == [DeploymentStatus.SUPERSEDED]
    with transaction() as session:
        assert deployments.next_open(session) is None


def test_it_asks_as_the_job_says_and_tells_how_it_was_done() -> None:
    keeper, model = new_keeper(), new_model("m")
    how = DeploySpec.model_validate({"drain": {"timeout_s": 5, "on_timeout": "fail"}, "split": {"percent": 20}})
    with ThreadPoolExecutor(1) as pool:
        deployed = pool.submit(LiveModel(keeper).deploy, model, how)
        wait_until(lambda: statuses() == [DeploymentStatus.PENDING])
        with transaction() as session:
            [deployment] = session.scalars(select(Deployment))
            asked = (deployment.serve_as, deployment.drain["on_timeout"], (deployment.split or {})["percent"])
        for target in (DeploymentStatus.STAGING, DeploymentStatus.SWAPPING, DeploymentStatus.TRIAL):
            with transaction() as session:
                deployments.advance(session, deployment.id, target)
        wait_until(lambda: read(keeper.lease.job_id).progress)
        progress = {"program": "trial", "done": 0, "total": 3600, "unit": "s"}
        assert read(keeper.lease.job_id).progress == progress, "a trial that goes on does not stall the job"
        with transaction() as session:
            done = {"strategy": "in_place", "reason": "same shapes", "timings": {"commit_s": 0.2}}
            deployments.advance(session, deployment.id, DeploymentStatus.LIVE, **done)  # type: ignore[arg-type]
        assert deployed.result(10) == {"strategy": "in_place", "reason": "same shapes", "commit_s": 0.2}
    assert asked == ("merged", "fail", 20)


@pytest.mark.parametrize(
    ("error", "raised"), [("0 of 1 sampled", ParityMismatch), ("vLLM ended by itself", DeploymentFailed)]
)
def test_a_model_that_is_served_otherwise_than_it_was_trained_is_told_from_other_failures(
    error: str, raised: type[ServiceError]
) -> None:
    keeper, model = new_keeper(), new_model("m")
    mismatch = Mismatch(row="row 1", what="prompt", message="the prompts differ")
    record = ParityRecord(checked=True, rows=1, mismatch=mismatch)
    failure = record.failure() or ""
    assert failure.startswith("0 of 1 sampled")
    with ThreadPoolExecutor(1) as pool:
        deployed = pool.submit(LiveModel(keeper).deploy, model, DeploySpec())
        wait_until(lambda: statuses() == [DeploymentStatus.PENDING])
        with transaction() as session:
            [deployment] = session.scalars(select(Deployment))
            made = model_registry.get_model(session, model).created_at
            model_registry.record_parity(session, model, made, record)
            ended = failure if failure.startswith(error) else error
            deployments.advance(session, deployment.id, DeploymentStatus.FAILED, error=ended)
        with pytest.raises(raised, match=f"m could not be made live: {error}"):
            deployed.result(10)


def test_only_a_model_of_the_same_base_has_its_tokenizer() -> None:
    live = LiveModel(new_keeper())
    assert live.with_tokenizer_of("base:a") is None
    for model, base in (("ft:b", "base:b"), ("ft:a", "base:a"), ("base:a", None)):
        with transaction() as session:
            deployment = deployments.request(session, live.alias, new_model(model, adapter_of=base))
            for target in (DeploymentStatus.STAGING, DeploymentStatus.SWAPPING, DeploymentStatus.LIVE):
                deployments.advance(session, deployment.id, target)
        assert live.with_tokenizer_of("base:a") == (None if model == "ft:b" else model)


def test_it_waits_for_the_drain_and_the_trial_besides_the_loading() -> None:
    """A gate that waits on does so for as long as an answer may take."""
    settings = get_settings()
    loading_s, answer_s = settings.deploy_timeout_s, settings.request_timeout_s
    assert longest_wait_s(DeploySpec()) == loading_s + settings.drain_timeout_s + answer_s
    how = DeploySpec.model_validate({"drain": {"timeout_s": 5, "on_timeout": "fail"}, "split": {"max_s": 7200}})
    assert longest_wait_s(how) == loading_s + 5 + 7200
