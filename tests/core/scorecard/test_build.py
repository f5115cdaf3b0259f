"""The scorecard of a job is made of its rows: what was measured, and what differs between which models."""

import pytest

from core import deployments, model_registry
from core.db import transaction
from core.errors import NotFound
from core.jobs import get
from core.scorecard.build import scorecard
from core.scorecard.card import Scorecard
from core.states import DeploymentStatus
from core.verdict import Condition, Verdict
from tests.conftest import Services
from tests.core.measured import OSLO, Row, measure
from tests.core.sessions import new_job, new_model

LIVE = (DeploymentStatus.STAGING, DeploymentStatus.SWAPPING, DeploymentStatus.LIVE)


@pytest.fixture
def job_id(database: Services) -> str:
    return new_job()


def card_of(job_id: str, examples: int = 10) -> Scorecard:
    with transaction() as session:
        return scorecard(session, get(session, job_id), examples)


def make_live(model_id: str, job_id: str | None) -> None:
    with transaction() as session:
        wish = deployments.request(session, "tunesmith", model_id, job_id)
        for status in LIVE:
            deployments.advance(session, wish.id, status)


def test_the_models_come_in_the_order_in_which_they_were_made(job_id: str) -> None:
    for stage in ("tools", "base", "chat"):
        measure(job_id, stage, Row("a", stage == "tools"), Row("b", True, expected=()))
    card = card_of(job_id)
    assert [stage.name for stage in card.stages] == ["base", "chat", "tools"]
    figures = card.stages[2].scores.suites["tools"]
    assert figures.function_name_and_args_accuracy is not None
    assert (figures.function_name_and_args_accuracy.value, figures.function_name_and_args_accuracy.n) == (1.0, 1)
    assert card.headline == "tools"
    assert card.cost is not None
    assert card.cost.answers == {}


def test_each_model_is_compared_with_the_one_before_it_and_the_last_one_with_the_base(job_id: str) -> None:
    for stage, verdicts in {"base": "0000000", "chat": "0000001", "tools": "1111110"}.items():
        measure(job_id, stage, *(Row(f"q{n}", verdict == "1") for n, verdict in enumerate(verdicts)))
    card = card_of(job_id)
    compared = [(c.reason, c.older.name, c.newer.name) for c in card.comparisons]
    assert compared == [("stage_before", "base", "chat"), ("stage_before", "chat", "tools"), ("base", "base", "tools")]
    chat, tools, whole = (comparison.suites["tools"] for comparison in card.comparisons)
    assert (chat.won, chat.lost, chat.difference) == (1, 0, "no_difference")
    assert (tools.n, tools.won, tools.lost, tools.difference) == (7, 6, 1, "no_difference")
    assert (whole.won, whole.lost, whole.difference) == (6, 0, "better")


def test_an_example_shows_what_was_asked_what_is_right_and_both_answers(job_id: str) -> None:
    measure(job_id, "chat", Row("a", False, content="It rains.", fault="nothing was called"), Row("b", False))
    measure(job_id, "tools", Row("a", True), Row("b", True))
    [example] = card_of(job_id, examples=1).comparisons[0].suites["tools"].examples_won
    assert (example.id, example.question, example.tools) == ("tools:tools:0", "a", ["get_weather"])
    assert example.expected == [OSLO]
    assert (example.older.content, example.older.fault) == ("It rains.", "nothing was called")
    assert (example.newer.calls, example.newer.correct, example.newer.fault) == ([OSLO], True, None)
    assert card_of(job_id, examples=0).comparisons[0].suites["tools"].examples_won == ()


def test_the_last_model_is_compared_with_what_was_live_before_the_job(job_id: str) -> None:
    earlier = new_model("ft:earlier")
    measure(job_id, "tools", Row("a", True), Row("b", True), model=earlier)
    make_live(earlier, job_id)
    later = new_job()
    measure(later, "chat", Row("a", False))
    measure(later, "tools", Row("b", False), Row("c", True), model=new_model("ft:later"))
    make_live("ft:later", later)
    reasons = {c.reason: c for c in card_of(later).comparisons}
    before = reasons["live_before"]
    assert (before.older.model, before.newer.model) == ("ft:earlier", "ft:later")
    assert (before.suites["tools"].n, before.suites["tools"].lost) == (1, 1)
    assert [c.reason for c in card_of(job_id).comparisons] == []


def test_a_model_that_had_a_gate_shows_what_it_found(job_id: str) -> None:
    for stage in ("chat", "tools"):
        measure(job_id, stage, Row("a", True), model=new_model(f"ft:{stage}"))
    found = Verdict.of([Condition(name="live", passed=True, text="nothing was live")])
    with transaction() as session:
        model_registry.record_gate(session, "ft:tools", found)
    assert [stage.gate for stage in card_of(job_id).stages] == [None, found]


def test_models_without_a_row_in_common_are_not_comparable(job_id: str) -> None:
    measure(job_id, "chat", Row("a", False))
    measure(job_id, "tools", Row("b", True))
    [comparison] = card_of(job_id).comparisons
    assert comparison.suites == {}


def test_a_job_without_scores_says_when_there_will_be_some(job_id: str) -> None:
    with pytest.raises(NotFound, match="has no scores yet"):
        card_of(job_id)
