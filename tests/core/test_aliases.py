"""Aliases: which names may be one, and what each serves, served and will serve."""

import pytest
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import func, update

from core import aliases
from core.aliases import Alias
from core.db import transaction
from core.models import Deployment, Model
from core.states import DeploymentStatus
from tests.core.kept_files import deploy, make_live
from tests.core.sessions import new_model

pytestmark = pytest.mark.usefixtures("database")
ALIASES: TypeAdapter[str] = TypeAdapter(Alias)


@pytest.mark.parametrize(
    "name", ["tunesmith", "gpt-4o-mini", "Qwen/Qwen2.5-3B", "llama3:8b", "ft", "basement", "x" * 128]
)
def test_names_of_models_elsewhere_can_be_an_alias(name: str) -> None:
    assert ALIASES.validate_python(name) == name


@pytest.mark.parametrize("name", ["", "-x", "a b", "a\n", "é", "x" * 129, "ft:a:b:c:d", "base:tiny"])
def test_a_name_that_is_none_or_looks_like_a_models_id_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        ALIASES.validate_python(name)


def state(alias: str = "a") -> tuple[str | None, str | None, str | None]:
    """The models that are live, that a rollback would bring back, and that are in progress."""
    with transaction() as session:
        [one] = [one for one in aliases.every(session) if one.alias == alias]
        return model(one.live), model(one.previous), model(one.in_progress)


def model(deployment: Deployment | None) -> str | None:
    return None if deployment is None else deployment.model_id


def test_an_alias_shows_what_is_live_what_was_before_and_whose_turn_it_is() -> None:
    for name in ("m1", "m2", "m3", "m4"):
        new_model(name)
    deploy("m1", alias="a")
    assert state() == (None, None, "m1")
    make_live("m1", "a")
    assert state() == ("m1", None, None)
    make_live("m2", "a")
    deploy("m3", alias="a")
    deploy("m4", alias="a")
    assert state() == ("m2", "m1", "m3")


def test_a_removed_model_is_not_shown_as_what_a_rollback_would_bring_back() -> None:
    make_live(new_model("m1"), "a")
    make_live(new_model("m2"), "a")
    with transaction() as session:
        session.execute(update(Model).where(Model.id == "m1").values(removed_at=func.now()))
    assert state() == ("m2", None, None)


def test_every_alias_has_its_own_history() -> None:
    new_model("m1")
    make_live("m1", "a")
    make_live("m1", "b")
    assert (state("a"), state("b")) == (("m1", None, None), ("m1", None, None))


def test_the_same_model_served_in_another_way_was_something_else() -> None:
    new_model("m1", adapter_of=new_model("m2"))
    make_live("m1", "a", serve_as="adapter")
    make_live("m1", "a")
    assert state() == ("m1", "m1", None)
    with transaction() as session:
        assert aliases.models_of(session, "a") == {"m1", "m2"}


def test_an_alias_that_serves_nothing_any_more_is_left_out() -> None:
    make_live(new_model("m1"), "a")
    make_live(new_model("m2"), "b")  # needs other weights, and the endpoint holds one model's
    deploy(new_model("m3"), DeploymentStatus.STAGING, DeploymentStatus.FAILED, alias="c")
    with transaction() as session:
        assert [one.alias for one in aliases.every(session)] == ["b"]
