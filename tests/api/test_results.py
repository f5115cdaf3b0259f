"""Metrics of a job's steps."""

from typing import Any

import httpx
import pytest

from core import runs
from core.db import transaction
from core.runs import Lease
from tests.api.bodies import RECIPE
from tests.core.sessions import DEVICE


def metric(stage: str, step: int) -> dict[str, Any]:
    names = ("epoch", "loss", "grad_norm", "learning_rate", "tokens_per_s", "step_s")
    return {"stage": stage, "step": step, "tokens": step * 100, **dict.fromkeys(names, 0.5)}


@pytest.fixture
def lease(client: httpx.Client) -> Lease:
    assert client.post("/jobs", json=RECIPE).status_code == 201
    with transaction() as session:
        lease = runs.claim(session, "worker", DEVICE, lease_s=60)
    assert lease is not None
    return lease


def test_metrics_come_in_order_of_the_stages_and_their_steps(client: httpx.Client, lease: Lease) -> None:
    with transaction() as session:
        runs.record_progress(session, lease, None, [metric("tools", 1), metric("chat", 2), metric("chat", 1)])
    page = client.get(f"/jobs/{lease.job_id}/metrics").json()
    assert [(m["stage"], m["step"]) for m in page["data"]] == [("chat", 1), ("chat", 2), ("tools", 1)]
    assert page["data"][1]["tokens"] == 200
    assert page["has_more"] is False


def test_metrics_of_one_stage_are_paged_by_step(client: httpx.Client, lease: Lease) -> None:
    with transaction() as session:
        runs.record_progress(session, lease, None, [metric("chat", step) for step in range(5)])
    url = f"/jobs/{lease.job_id}/metrics"
    first = client.get(url, params={"stage": "chat", "limit": 2}).json()
    second = client.get(url, params={"stage": "chat", "after": first["last_id"]}).json()
    assert [m["step"] for m in first["data"] + second["data"]] == [0, 1, 2, 3, 4]
    assert (first["has_more"], second["has_more"]) == (True, False)


@pytest.mark.parametrize(("query", "param"), [("stage=tool", "stage"), ("after=3", "after"), ("after=-1", "after")])
def test_metrics_name_what_is_wrong_with_their_query(
    client: httpx.Client, lease: Lease, query: str, param: str
) -> None:
    answer = client.get(f"/jobs/{lease.job_id}/metrics?{query}")
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, param)


def test_the_health_of_a_training_is_judged_from_its_steps_so_far(client: httpx.Client, lease: Lease) -> None:
    url = f"/jobs/{lease.job_id}/health"
    assert client.get(url).json() == {"object": "list", "data": []}
    with transaction() as session:
        # The recipe's first step has a rate of 0, and the second one a hundredth of 2e-4.
        steps = [{**metric("chat", step), "learning_rate": rate} for step, rate in ((1, 0.0), (2, 2e-6), (3, 2e-4))]
        runs.record_progress(session, lease, None, steps)
    [health] = client.get(url).json()["data"]
    assert (health["stage"], health["status"], health["steps"]) == ("chat", "unhealthy", 3)
    assert health["token_probability_last"] == 0.6065
    [finding] = health["findings"]
    assert (finding["kind"], finding["step"], finding["figure"], finding["bound"]) == ("learning_rate", 3, 2e-4, 4e-6)
