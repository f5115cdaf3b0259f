"""`tunesmith deploy`, `rollback` and `deployments` against a real api; the test takes the gateway's part."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select
from typer.testing import CliRunner, Result

from cli.deployments import describe
from cli.main import app
from core import deployments
from core.db import transaction
from core.errors import ServiceError
from core.models import Deployment
from core.states import OPEN, DeploymentStatus
from tests.core.kept_files import make_live
from tests.core.sessions import new_model
from tests.waiting import wait_until

STAGING, SWAPPING, LIVE, FAILED = (
    DeploymentStatus.STAGING,
    DeploymentStatus.SWAPPING,
    DeploymentStatus.LIVE,
    DeploymentStatus.FAILED,
)


pytestmark = pytest.mark.usefixtures("commands_api")


def command(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def refused(*arguments: str) -> str:
    """The one sentence in which the command ends."""
    error = command(*arguments).exception
    assert isinstance(error, ServiceError), error
    return error.message


def while_asked(work: Callable[[], None], *arguments: str) -> Result:
    """The command's result, the gateway's work having been done while it followed."""
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(command, *arguments)
        wait_until(lambda: newest() is not None and newest().status in OPEN)
        work()
        return result.result(30)


def newest() -> Any:
    with transaction() as session:
        return session.scalar(select(Deployment).order_by(Deployment.seq.desc()).limit(1))


def advance(*targets: DeploymentStatus, **how: Any) -> None:
    for target in targets:
        with transaction() as session:
            deployments.advance(session, newest().id, target, **how)


def test_a_deployment_is_followed_until_it_is_live() -> None:
    new_model("m1")
    how: dict[str, Any] = {"strategy": "swap", "reason": "[same] tensors", "trial": {"new": {"requests": 3}}}
    how["timings"] = {"total_s": 1.5, "stage_s": 1.1}
    done = while_asked(
        lambda: advance(STAGING, SWAPPING, LIVE, **how),
        *("deploy", "m1", "--alias", "chat"),
    )
    assert done.exit_code == 0, done.output
    assert "live (swap: [same] tensors)" in done.output
    assert "stage 1.1 s · total 1.5 s" in done.output
    assert "new.requests 3" in done.output
    assert (newest().alias, newest().serve_as) == ("chat", "merged")


def test_a_deployment_that_fails_says_why_and_exits_with_1() -> None:
    new_model("m1")
    done = while_asked(lambda: advance(STAGING, FAILED, error="a tensor is missing"), "deploy", "m1")
    assert (done.exit_code, newest().alias) == (1, "tunesmith")
    assert "a tensor is missing" in done.output


def test_what_is_wished_is_what_is_posted() -> None:
    make_live(new_model("base"))
    new_model("m1", adapter_of="base")
    done = command("deploy", "m1", "--serve-as", "adapter", "--split", "5", "--no-wait", "--json")
    shown = json.loads(done.output)
    assert (shown["model"], shown["serve_as"], shown["split"]["percent"]) == ("m1", "adapter", 5)
    assert shown["status"] == "pending"


def test_a_refusal_is_the_apis_own_sentence() -> None:
    new_model("m1")
    assert "no model 'm2'" in refused("deploy", "m2")
    assert "nothing is live on alias 'tunesmith'" in refused("deploy", "m1", "--split", "5")
    assert "serve_as" in refused("deploy", "m1", "--serve-as", "x")


def test_the_only_alias_goes_back_without_being_named() -> None:
    for name in ("m1", "m2"):
        make_live(new_model(name), "chat")
    live = newest().id
    done = while_asked(lambda: advance(STAGING, SWAPPING, LIVE), "rollback")
    assert done.exit_code == 0, done.output
    assert (newest().model_id, newest().rollback_of) == ("m1", live)


def test_going_back_twice_in_a_row_is_one_rollback() -> None:
    for name in ("m1", "m2"):
        make_live(new_model(name))
    first, again = (json.loads(command("rollback", "tunesmith", "--no-wait", "--json").output) for _ in range(2))
    assert first == again


def test_what_is_not_live_yet_is_withdrawn_by_its_alias_or_its_id() -> None:
    make_live(new_model("m1"))
    for name in (lambda: "tunesmith", lambda: newest().id):
        command("deploy", new_model("m2"), "--no-wait")
        done = command("rollback", name())
        assert done.exit_code == 0, done.output
        assert "withdrawn before it was live" in done.output
        assert newest().status == DeploymentStatus.SUPERSEDED


def test_which_alias_goes_back_must_be_clear() -> None:
    assert "nothing is served" in refused("rollback")
    new_model("m1")
    for alias in ("a", "b"):
        make_live("m1", alias)
    assert "say which one goes back, of a, b" in refused("rollback")
    assert "nothing is served as 'c'" in refused("rollback", "c")
    assert "there is nothing to go back to" in refused("rollback", "a")


def test_deployments_are_listed_with_strategy_and_seconds() -> None:
    assert "Nothing was deployed yet" in command("deployments").output
    new_model("m1")
    command("deploy", "m1", "--alias", "a", "--no-wait")
    advance(STAGING, SWAPPING, LIVE, strategy="start", timings={"total_s": 12.25})
    command("deploy", "m1", "--alias", "b", "--no-wait")
    output = command("deployments", "--alias", "a").output
    assert [word in output for word in ("m1", "live", "start", "12.25", "merged", "pending")] == [True] * 5 + [False]
    assert [each["alias"] for each in json.loads(command("deployments", "--json").output)] == ["b", "a"]
    assert [each["alias"] for each in json.loads(command("deployments", "--status", "live", "--json").output)] == ["a"]


def test_a_status_line_says_how_many_come_before_and_why_in_this_way() -> None:
    waiting = {"status": "pending", "queue_position": 2, "strategy": None, "reason": None}
    assert describe(waiting) == "pending, 2 before it"
    assert describe({**waiting, "queue_position": 0}) == "pending"
    chosen = {"status": "swapping", "queue_position": 0, "strategy": "swap", "reason": None}
    assert describe(chosen) == "swapping (swap)"
    assert describe({**chosen, "reason": "same tensors"}) == "swapping (swap: same tensors)"
