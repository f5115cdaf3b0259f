"""Rollback: to what was served before, withdrawn before it is live, refused with the reason, whoever else asks."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import TypeVar

import pytest
from sqlalchemy import func, select, update

from core import deployments
from core.db import transaction
from core.errors import Conflict, NotFound, ServiceError, StillSwapping
from core.models import Deployment, Model
from core.rollback import roll_back
from core.spec import DeploySpec, DrainSpec, ServeAs, SplitSpec
from core.states import OPEN, DeploymentStatus
from tests.core.sessions import new_model

pytestmark = pytest.mark.usefixtures("database")
ALIAS = "tunesmith"
_D = DeploymentStatus
WAYS: dict[DeploymentStatus, tuple[DeploymentStatus, ...]] = {
    _D.PENDING: (),
    _D.STAGING: (_D.STAGING,),
    _D.SWAPPING: (_D.STAGING, _D.SWAPPING),
    _D.TRIAL: (_D.STAGING, _D.SWAPPING, _D.TRIAL),
    _D.LIVE: (_D.STAGING, _D.SWAPPING, _D.LIVE),
    _D.FAILED: (_D.STAGING, _D.FAILED),
}


def deployed(
    model_id: str, status: DeploymentStatus = _D.LIVE, *, alias: str = ALIAS, serve_as: ServeAs = "merged"
) -> str:
    """A deployment in that status, with a gate and a split of its own."""
    how = DeploySpec(serve_as=serve_as, drain=DrainSpec(timeout_s=7), split=SplitSpec())
    with transaction() as session:
        deployment_id = deployments.request(session, alias, model_id, how=how).id
    advance(deployment_id, status)
    return deployment_id


def advance(deployment_id: str, status: DeploymentStatus) -> None:
    for target in WAYS[status]:
        with transaction() as session:
            deployments.advance(session, deployment_id, target)


def rolled_back(deployment_id: str) -> tuple[Deployment, bool]:
    with transaction() as session:
        return roll_back(session, deployment_id)


def status_of(deployment_id: str) -> DeploymentStatus:
    with transaction() as session:
        return DeploymentStatus(deployments.get(session, deployment_id).status)


def two_live() -> tuple[str, str]:
    """Deployments of the models `a`, as an adapter, and then `b`."""
    new_model("a", adapter_of=new_model("base"))
    return deployed("a", serve_as="adapter"), deployed(new_model("b"))


def test_what_is_live_makes_way_for_what_was_served_before_in_the_same_way() -> None:
    _, second = two_live()
    back, is_new = rolled_back(second)
    assert is_new
    assert (back.model_id, back.serve_as, back.weights_id, back.rollback_of) == ("a", "adapter", "base", second)
    assert (back.status, back.drain["timeout_s"], back.split, back.job_id) == (_D.PENDING, 7, None, None)


def test_a_rollback_is_asked_for_once_and_stays_so_when_it_is_live() -> None:
    _, second = two_live()
    back, _ = rolled_back(second)
    again, is_new = rolled_back(second)
    assert (again.id, is_new) == (back.id, False)
    advance(back.id, _D.LIVE)
    again, is_new = rolled_back(second)
    assert (again.id, again.status, is_new) == (back.id, _D.LIVE, False)


def test_a_rollback_of_a_rollback_goes_forward_again() -> None:
    _, second = two_live()
    back, _ = rolled_back(second)
    advance(back.id, _D.LIVE)
    forward, _ = rolled_back(back.id)
    assert (forward.model_id, forward.serve_as) == ("b", "merged")


def test_there_may_be_nothing_to_go_back_to() -> None:
    only = deployed(new_model("a"))
    deployed("a", alias="other")
    with pytest.raises(Conflict, match="has served nothing but 'a': there is nothing to go back to"):
        rolled_back(only)


@pytest.mark.parametrize("gone", ["a", "base"])
def test_what_was_removed_cannot_come_back(gone: str) -> None:
    _, second = two_live()
    with transaction() as session:
        session.execute(update(Model).where(Model.id == gone).values(removed_at=func.now()))
    with pytest.raises(Conflict, match=rf"'{gone}' was removed on .*: deploy another one"):
        rolled_back(second)


@pytest.mark.parametrize("status", [_D.PENDING, _D.STAGING, _D.TRIAL])
def test_what_is_not_live_yet_is_withdrawn_and_stays_so(status: DeploymentStatus) -> None:
    first, second = deployed(new_model("a")), deployed(new_model("b"), status)
    for _ in range(2):
        withdrawn, is_new = rolled_back(second)
        assert (withdrawn.id, withdrawn.status, withdrawn.live_at, is_new) == (second, _D.SUPERSEDED, None, False)
    assert status_of(first) == _D.LIVE
    with transaction() as session:
        assert deployments.next_open(session) is None


def test_what_is_just_being_put_in_place_is_asked_for_again_in_a_moment() -> None:
    deployed(new_model("a"))
    second = deployed(new_model("b"), _D.SWAPPING)
    with pytest.raises(StillSwapping, match="in a moment"):
        rolled_back(second)
    with transaction() as session:
        deployments.advance(session, second, _D.LIVE)
    assert rolled_back(second)[0].model_id == "a"


def test_what_failed_or_was_replaced_is_not_served_and_it_is_said_what_is() -> None:
    first = deployed(new_model("a"))
    failed, live = deployed(new_model("b"), _D.FAILED), deployed(new_model("c"))
    for old in (first, failed):
        with pytest.raises(Conflict, match=rf"does not serve it, but 'c', by deployment {live}: roll that one back"):
            rolled_back(old)
    alone = deployed("a", _D.FAILED, alias="other")
    with pytest.raises(Conflict, match="'other' does not serve it, nor anything else"):
        rolled_back(alone)


def test_an_unknown_deployment_is_named() -> None:
    with pytest.raises(NotFound, match="dep-x"):
        rolled_back("dep-x")


# ------------------------------------------------------------------ races


T = TypeVar("T")


def at_once(*works: Callable[[], T]) -> list[T | ServiceError]:
    """What each of them returned, or the error that it met, all having begun at the same moment."""
    barrier = Barrier(len(works))

    def run(work: Callable[[], T]) -> T | ServiceError:
        barrier.wait(10)
        try:
            return work()
        except ServiceError as error:
            return error

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def one_live_at_most(alias: str) -> list[Deployment]:
    """The alias's deployments in order, of which one is live at most."""
    with transaction() as session:
        rows = list(session.scalars(select(Deployment).where(Deployment.alias == alias).order_by(Deployment.seq)))
    assert sum(row.status == _D.LIVE for row in rows) <= 1
    return rows


def test_the_same_rollback_asked_for_at_once_makes_one_deployment() -> None:
    _, second = two_live()
    found = [answer for answer in at_once(*[partial(rolled_back, second)] * 4) if not isinstance(answer, ServiceError)]
    assert len({one.id for one, _ in found}) == 1
    assert sorted(is_new for _, is_new in found) == [False] * 3 + [True]


def test_of_a_rollback_and_a_deployment_at_once_the_later_one_is_desired() -> None:
    for name in "abc":
        new_model(name)
    for number in range(10):
        alias = f"alias-{number}"
        deployed("a", alias=alias)
        live = deployed("b", alias=alias)
        back, third = at_once(partial(rolled_back, live), partial(deployed, "c", _D.PENDING, alias=alias))
        assert not isinstance(back, ServiceError)
        assert isinstance(third, str)
        rows = one_live_at_most(alias)
        assert {row.model_id for row in rows if row.status in OPEN} == {"a", "c"}
        with transaction() as session:
            wanted = deployments.desired(session, alias)
            assert wanted is not None
            assert wanted.id == rows[-1].id


def test_of_a_rollback_and_the_gateway_at_once_exactly_one_has_its_way() -> None:
    """Either it is withdrawn and never swapped in, or it is being swapped in and the rollback must be asked again."""
    for name in "ab":
        new_model(name)
    for number in range(10):
        alias = f"alias-{number}"
        deployed("a", alias=alias)
        coming = deployed("b", _D.STAGING, alias=alias)

        def swap(deployment_id: str = coming) -> None:
            with transaction() as session:
                deployments.advance(session, deployment_id, _D.SWAPPING)

        back, swapped = at_once(partial(rolled_back, coming), swap)
        assert isinstance(back, StillSwapping) != isinstance(swapped, Conflict)
        assert status_of(coming) == (_D.SWAPPING if isinstance(back, StillSwapping) else _D.SUPERSEDED)
        one_live_at_most(alias)


def test_of_a_rollback_and_a_successor_that_goes_live_at_once_both_are_consistent() -> None:
    for name in "abc":
        new_model(name)
    for number in range(10):
        alias = f"alias-{number}"
        deployed("a", alias=alias)
        live = deployed("b", alias=alias)
        coming = deployed("c", _D.SWAPPING, alias=alias)

        def go_live(deployment_id: str = coming) -> None:
            with transaction() as session:
                deployments.advance(session, deployment_id, _D.LIVE)

        back, gone_live = at_once(partial(rolled_back, live), go_live)
        assert gone_live is None
        rows = one_live_at_most(alias)
        assert [row.model_id for row in rows if row.status in OPEN] == ([] if isinstance(back, Conflict) else ["a"])
