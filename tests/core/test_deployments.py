"""Deployments: what is desired, asked for once, and one live model an alias."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError

from core import deployments, model_registry
from core.db import transaction
from core.errors import Conflict, NotFound
from core.models import Deployment, Model
from core.spec import DeploySpec, DrainSpec, ServeAs, SplitSpec
from core.states import DeploymentStatus
from tests.core.sessions import new_job, new_model

pytestmark = pytest.mark.usefixtures("database")
ALIAS = "tunesmith"
STAGING, SWAPPING, LIVE, FAILED = (
    DeploymentStatus.STAGING,
    DeploymentStatus.SWAPPING,
    DeploymentStatus.LIVE,
    DeploymentStatus.FAILED,
)


def request(model_id: str, alias: str = ALIAS, serve_as: ServeAs = "merged") -> str:
    with transaction() as session:
        return deployments.request(session, alias, model_id, how=DeploySpec(serve_as=serve_as)).id


def advance(deployment_id: str, *targets: DeploymentStatus) -> None:
    for target in targets:
        with transaction() as session:
            deployments.advance(session, deployment_id, target)


def row(deployment_id: str) -> Deployment:
    with transaction() as session:
        return deployments.get(session, deployment_id)


def desired_model(alias: str = ALIAS) -> str | None:
    with transaction() as session:
        found = deployments.desired(session, alias)
        return None if found is None else found.model_id


def status_of(deployment_id: str) -> DeploymentStatus:
    return DeploymentStatus(row(deployment_id).status)


def test_registering_a_model_again_changes_nothing() -> None:
    new_model("a")
    with transaction() as session:
        model_registry.register_model(session, "a", stage="x", base_model="y", location="/z", manifest={})
        assert model_registry.get_model(session, "a").location == "/m"
        assert session.scalar(select(func.count()).select_from(Model)) == 1


def test_a_base_model_that_has_moved_is_found_at_its_new_place() -> None:
    for location in ("/old", "/new"):
        with transaction() as session:
            model_registry.register_base(session, "base:m:1f3a9c2e", base_model="m", location=location)
    with transaction() as session:
        [model] = session.scalars(select(Model))
        assert (model.id, model.stage, model.location) == ("base:m:1f3a9c2e", "base", "/new")


def test_an_unknown_model_cannot_be_deployed() -> None:
    with pytest.raises(NotFound, match="no model 'a'"):
        request("a")


def test_asking_again_returns_the_same_deployment_pending_or_live() -> None:
    new_model("a")
    first = request("a")
    assert request("a") == first
    advance(first, STAGING, SWAPPING, LIVE)
    assert request("a") == first


def test_asking_at_the_same_time_makes_one_deployment() -> None:
    new_model("a")
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(request, ["a"] * 8))) == 1


def test_the_same_model_served_in_another_way_is_another_wish() -> None:
    model = new_model("a", adapter_of=new_model("b"))
    merged, adapter = request(model), request(model, serve_as="adapter")
    assert (row(merged).weights_id, row(adapter).weights_id) == ("a", "b")
    assert request(model, serve_as="adapter") == adapter


def test_another_gate_or_split_is_the_same_wish() -> None:
    new_model("a")
    first = request("a")
    how = DeploySpec(drain=DrainSpec(timeout_s=1), split=SplitSpec(percent=1))
    with transaction() as session:
        assert deployments.ask(session, ALIAS, "a", how=how)[0].id == first
    assert (row(first).drain["timeout_s"], row(first).split) == (None, None)


@pytest.mark.parametrize("base", [None, "unknown"])
def test_a_model_without_an_adapter_cannot_be_served_as_one(base: str | None) -> None:
    new_model("a", adapter_of=base)
    with pytest.raises(Conflict, match="'a' has no adapter: deploy it with serve_as `merged`"):
        request("a", serve_as="adapter")


def test_two_wishes_for_one_alias_at_once_queue_and_the_newest_wins() -> None:
    models = [new_model(name) for name in "abcd"]
    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(request, models))
    with transaction() as session:
        places = deployments.places(session)
    in_order = sorted(ids, key=lambda each: row(each).seq)
    assert places == {each: place for place, each in enumerate(in_order)}
    for each in in_order:
        with transaction() as session:
            found = deployments.next_open(session)
        assert found is not None
        assert found[0].id == each
        advance(each, STAGING, SWAPPING, LIVE)
    assert [status_of(each) for each in in_order] == [DeploymentStatus.SUPERSEDED] * 3 + [LIVE]
    assert desired_model() == row(in_order[-1]).model_id


def test_a_failed_deployment_can_be_asked_for_again() -> None:
    new_model("a")
    first = request("a")
    advance(first, STAGING, FAILED)
    assert request("a") != first


def test_the_desired_model_is_the_newest_that_did_not_fail() -> None:
    first, second = request(new_model("a")), request(new_model("b"))
    assert desired_model() == "b"
    advance(first, STAGING, SWAPPING, LIVE)
    assert desired_model() == "b"
    advance(second, STAGING, FAILED)
    assert desired_model() == "a"
    assert desired_model("other") is None


def test_a_live_deployment_supersedes_the_one_before() -> None:
    first, second = request(new_model("a")), request(new_model("b"))
    advance(first, STAGING, SWAPPING, LIVE)
    advance(second, STAGING, SWAPPING, LIVE)
    assert (status_of(first), status_of(second)) == (DeploymentStatus.SUPERSEDED, LIVE)
    with transaction() as session:
        assert deployments.get(session, second).live_at is not None


def test_a_jobs_model_that_was_live_is_replaced_once_another_is_wanted() -> None:
    job_id = new_job()
    with transaction() as session:
        own = deployments.request(session, ALIAS, new_model("a"), job_id).id
    assert replaced(job_id) is None, "it has yet to go live"
    advance(own, STAGING, SWAPPING, LIVE)
    assert replaced(job_id) is None, "it is live"
    request(new_model("b"))
    assert replaced(job_id) == "b"
    assert replaced(new_job()) is None, "it was another job that made it live"
    with transaction() as session:
        session.execute(update(Model).values(created_at=func.now()))
    assert replaced(job_id) is None, "the model was made anew"


def replaced(job_id: str) -> str | None:
    with transaction() as session:
        return deployments.replaced_by(session, ALIAS, "a", job_id)


def test_all_but_what_is_being_put_in_place_is_withdrawn() -> None:
    job_id = new_job()
    with transaction() as session:
        ids = [deployments.request(session, ALIAS, new_model(name), job_id).id for name in "abc"]
    advance(ids[0], STAGING, SWAPPING)
    advance(ids[1], STAGING)
    with transaction() as session:
        deployments.withdraw(session, job_id)
    assert [status_of(each) for each in ids] == [SWAPPING, DeploymentStatus.SUPERSEDED, DeploymentStatus.SUPERSEDED]
    with pytest.raises(Conflict, match="is superseded: it cannot become swapping"):
        advance(ids[1], SWAPPING)


def test_other_aliases_are_left_alone() -> None:
    new_model("a")
    first, other = request("a"), request("a", alias="other")
    advance(first, STAGING, SWAPPING, LIVE)
    advance(other, STAGING, SWAPPING, LIVE)
    assert (status_of(first), status_of(other)) == (LIVE, LIVE)


def test_the_database_itself_refuses_two_live_models_of_one_alias() -> None:
    request(new_model("a"))
    request(new_model("b"))
    with pytest.raises(IntegrityError, match="uq_deployments_live"), transaction() as session:
        session.execute(update(Deployment).values(status=LIVE))


def test_open_deployments_are_taken_oldest_first() -> None:
    first, second = request(new_model("a")), request(new_model("b"))
    with transaction() as session:
        found = deployments.next_open(session)
    assert found is not None
    assert (found[0].id, found[1].id) == (first, "a")
    advance(first, STAGING, FAILED)
    with transaction() as session:
        found = deployments.next_open(session)
    assert found is not None
    assert found[0].id == second


def test_a_move_that_the_table_forbids_is_refused() -> None:
    first = request(new_model("a"))
    with pytest.raises(Conflict, match=first):
        advance(first, SWAPPING)
    with pytest.raises(NotFound, match="dep-x"):
        advance("dep-x", STAGING)
