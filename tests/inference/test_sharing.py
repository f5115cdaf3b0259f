"""One machine for training and serving: vLLM makes room for a run, and comes back with what it made."""

import threading
from pathlib import Path

import pytest

from core import deployments, pauses, runs
from core.db import transaction
from core.runs import Lease
from core.states import JobStatus
from tests.core.sessions import claim, new_job
from tests.inference import checkpoints
from tests.inference.gateway import ALIAS, Gateway, alive, ended, register
from tests.inference.traffic import PROMPTS, greedy, greedy_all
from tests.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def gateway_env() -> dict[str, str]:
    return {"TUNESMITH_SHARE_GPU": "hold"}


def training_run() -> Lease:
    """A run that has asked for the GPU."""
    new_job()
    lease = claim(lease_s=600)
    with transaction() as session:
        runs.move(session, lease, JobStatus.TRAINING, stage="chat")
        pauses.ask(session, lease)
    return lease


def granted(lease: Lease) -> str | None:
    with transaction() as session:
        return pauses.granted(session, lease)


def test_vllm_makes_room_holds_the_requests_and_comes_back_with_the_new_model(gateway: Gateway, models: Path) -> None:
    """On a CPU its sleep frees nothing, so it is stopped; and what it starts with is the model that is wanted next."""
    path = checkpoints.successor(models / "trained", seed=21)
    register("ft:trained", path)
    before = greedy_all(gateway)
    pids = gateway.vllm_pids()
    lease = training_run()
    wait_until(lambda: granted(lease), 60)
    assert granted(lease) == "stopped"
    assert "sharing.sleep_frees_nothing" in gateway.log()
    wait_until(lambda: not any(alive(pid) for pid in pids), 20)
    answers: list[str] = []
    held = threading.Thread(target=lambda: answers.append(greedy(gateway, PROMPTS[0])))
    held.start()
    assert "is training on the GPU" in str((gateway.health() or {})["waiting_because"])
    with transaction() as session:
        pauses.end(session, lease.job_id)
        deployment_id = deployments.request(session, ALIAS, "ft:trained", lease.job_id).id
    deployment = ended(deployment_id)
    assert (deployment.status, deployment.strategy) == ("live", "start"), deployment.error
    held.join(60)
    assert answers == [greedy(gateway, PROMPTS[0])] != before[:1]


def test_requests_are_turned_away_with_the_time_that_training_takes_and_a_lost_run_blocks_nothing(
    gateway: Gateway,
) -> None:
    before = greedy_all(gateway)
    gateway.stop()
    lease = training_run()
    with transaction() as session:
        runs.record_progress(session, lease, {"step": 1, "max_steps": 10, "eta_s": 4000.0})
    gateway.start(TUNESMITH_SHARE_GPU="reject")
    wait_until(lambda: granted(lease), 60)
    answer = gateway.post("/v1/completions", {"model": ALIAS, "prompt": "x"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_serving")
    assert 3900 < int(answer.headers["retry-after"]) <= 4000
    with transaction() as session:
        runs.finish(session, lease, JobStatus.FAILED, {"code": "internal_error", "message": "x", "stage": None})
    wait_until(lambda: gateway.post("/v1/completions", {"model": ALIAS, "prompt": "x"}).status_code == 200, 120)
    assert greedy_all(gateway) == before
