"""A model that is to be measured first answers under its own name, beside what is live, and goes live or away."""

from pathlib import Path

import openai
import pytest

from core import candidates, deployments
from core.db import transaction
from core.deployments import Candidacy
from core.models import Deployment
from core.states import DeploymentStatus
from core.verdict import Condition, Verdict
from tests.inference import checkpoints
from tests.inference.gateway import ALIAS, Gateway, ended, kill, register, status_of
from tests.inference.traffic import PROMPTS, Streams, greedy, greedy_all
from tests.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
D = DeploymentStatus
GOOD = Verdict.of([Condition(name="tools.no_call_accuracy", passed=True, text="it is 0.9, and must be 0.8")])
BAD = Verdict.of([Condition(name="tools.no_call_accuracy", passed=False, text="it is 0.7, and must be 0.8")])


def ask_to_measure(model_id: str, path: Path, how: Candidacy) -> str:
    register(model_id, path)
    with transaction() as session:
        return deployments.request(session, ALIAS, model_id, candidate=how).id


def candidate(model_id: str, path: Path, how: Candidacy = "if_room") -> str:
    """A deployment that waits for its verdict."""
    deployment_id = ask_to_measure(model_id, path, how)
    wait_until(lambda: status_of(deployment_id) not in (D.PENDING, D.STAGING), 150)
    assert read(deployment_id).status == D.CANDIDATE, read(deployment_id).error
    return deployment_id


def read(deployment_id: str) -> Deployment:
    with transaction() as session:
        return deployments.get(session, deployment_id)


def live_model() -> str | None:
    with transaction() as session:
        live = deployments.live_on(session, ALIAS)
        return None if live is None else live.model_id


def turn_down(deployment_id: str) -> str | None:
    """The deployment that brings back what was served before, if there is one."""
    with transaction() as session:
        back = candidates.turn_down(session, deployment_id, BAD, "the gate failed: it is 0.7, and must be 0.8")
        return None if back is None else back.id


def is_served(gateway: Gateway, model_id: str) -> bool:
    try:
        greedy(gateway, PROMPTS[0], model_id)
    except (openai.NotFoundError, openai.InternalServerError):
        return False
    return True


def test_a_candidate_answers_by_its_own_name_only_and_goes_when_it_is_turned_down(
    gateway: Gateway, models: Path
) -> None:
    before = greedy_all(gateway)
    with Streams().running(gateway, 2) as streams:
        deployment_id = candidate("ft:worse", checkpoints.successor(models / "worse", seed=11))
        assert greedy_all(gateway, "ft:worse") != before
        assert greedy_all(gateway) == before
        waiting = ask_to_measure("ft:next", checkpoints.successor(models / "next", seed=12), "if_room")
        with transaction() as session:
            assert deployments.places(session) == {deployment_id: 0, waiting: 1}
            deployments.advance(session, waiting, D.SUPERSEDED)
        assert turn_down(deployment_id) is None
        wait_until(lambda: not is_served(gateway, "ft:worse"), 60)
        streams.wait_for_more(2)
    deployment = read(deployment_id)
    assert (deployment.status, deployment.strategy, deployment.live_at) == (D.FAILED, "blue_green", None)
    assert (deployment.gate, deployment.error) == (
        BAD.model_dump(mode="json"),
        "the gate failed: it is 0.7, and must be 0.8",
    )
    assert "a candidate is measured beside those of what is live" in str(deployment.reason)
    assert greedy_all(gateway) == before
    assert (live_model(), streams.failures) == ("tiny-base", [])


def test_a_candidate_whose_vllm_dies_fails_and_what_is_live_is_not_touched(gateway: Gateway, models: Path) -> None:
    before = greedy_all(gateway)
    first = set(gateway.vllm_parents())
    deployment_id = candidate("ft:frail", checkpoints.successor(models / "frail", seed=13))
    with Streams().running(gateway, 2) as streams:
        for pid in set(gateway.vllm_parents()) - first:
            kill(pid)
        assert ended(deployment_id).status == D.FAILED
        streams.wait_for_more(2)
    assert (greedy_all(gateway), streams.failures) == (before, [])


@pytest.mark.slow
def test_a_killed_gateway_takes_the_candidate_up_again_and_it_goes_live_once_it_is_accepted(
    gateway: Gateway, models: Path
) -> None:
    before = greedy_all(gateway)
    deployment_id = candidate("ft:better", checkpoints.successor(models / "better", seed=14))
    gateway.kill()
    gateway.start()
    wait_until(lambda: status_of(deployment_id) == D.CANDIDATE and is_served(gateway, "ft:better"), 150)
    assert greedy_all(gateway) == before
    answers = greedy_all(gateway, "ft:better")
    with Streams().running(gateway, 2) as streams, transaction() as session:
        candidates.accept(session, deployment_id, GOOD)
        session.commit()
        assert ended(deployment_id).status == D.LIVE
        streams.wait_for_more(2)
    assert (greedy_all(gateway), streams.failures) == (answers, [])


def test_without_room_it_is_measured_live_and_what_was_served_comes_back(gateway: Gateway, models: Path) -> None:
    was_live = live_model()
    gateway.stop()
    gateway.start(TUNESMITH_SECOND_VLLM="never")
    wait_until(lambda: is_served(gateway, ALIAS), 150)
    before = greedy_all(gateway)
    deployment_id = ask_to_measure("ft:crowd", checkpoints.successor(models / "crowd", seed=15), "if_room")
    deployment = ended(deployment_id)
    assert (deployment.status, deployment.strategy) == (D.LIVE, "swap"), deployment.error
    assert str(deployment.reason).endswith("; it is measured once it is live, for TUNESMITH_SECOND_VLLM is never")
    back = turn_down(deployment_id)
    assert back is not None
    assert (ended(back).status, read(back).rollback_of, live_model()) == (D.LIVE, deployment_id, was_live)
    assert greedy_all(gateway) == before

    path = checkpoints.successor(models / "never", seed=16)
    only_measured = ask_to_measure("ft:never", path, "always")
    wait_until(lambda: status_of(only_measured) == D.SUPERSEDED, 60)
    said = "ft:never can only be measured beside what is live, and TUNESMITH_SECOND_VLLM is never"
    assert read(only_measured).error == said
    assert greedy_all(gateway) == before


def test_what_is_measured_live_where_nothing_was_is_taken_down(gateway: Gateway, models: Path) -> None:
    with transaction() as session:
        live = deployments.live_on(session, ALIAS)
        assert live is not None
        # As if it had never been: nothing is there to go back to.
        deployments.advance(session, live.id, D.FAILED)
        for other in session.query(Deployment).where(Deployment.live_at.is_not(None)):
            other.live_at = None
    wait_until(lambda: not is_served(gateway, ALIAS), 60)
    deployment_id = ask_to_measure("ft:first", checkpoints.successor(models / "first", seed=17), "if_room")
    assert ended(deployment_id).status == D.LIVE
    assert is_served(gateway, "ft:first")
    assert turn_down(deployment_id) is None
    wait_until(lambda: not is_served(gateway, "ft:first"), 60)
    with pytest.raises(openai.APIStatusError) as refused:
        greedy(gateway, PROMPTS[0])
    assert refused.value.status_code == 503
    assert "no model is live" in refused.value.message
    assert (read(deployment_id).status, live_model()) == (D.FAILED, None)
