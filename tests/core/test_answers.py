"""Kept answers are found by stage, suite and verdict, page by page, also against another model's."""

from typing import Any

import pytest

from core import answers
from core.answers import Wanted, answer_id
from core.db import transaction
from core.errors import InvalidRequest, NotFound
from core.jobs import get
from tests.conftest import Services
from tests.core.measured import Row, measure
from tests.core.sessions import new_job, new_model


@pytest.fixture
def job_id(database: Services) -> str:
    job_id = new_job()
    measure(job_id, "base", Row("a", False), Row("b", False))
    measure(job_id, "chat", Row("a", False), Row("b", True), Row("c", True), Row("d", True, suite="other"))
    measure(job_id, "tools", Row("a", True), Row("b", True), Row("c", False), Row("d", False, suite="other"))
    return job_id


def found(job_id: str, *, after: str | None = None, limit: int = 100, **wanted: Any) -> list[str]:
    with transaction() as session:
        page = answers.page(session, get(session, job_id), Wanted(**wanted), after=after, limit=limit)
        return [answer_id(answer) for _, answer in page]


def test_all_of_them_come_in_order_of_stage_suite_and_row(job_id: str) -> None:
    assert found(job_id) == [
        *("base:tools:0", "base:tools:1"),
        *("chat:other:3", "chat:tools:0", "chat:tools:1", "chat:tools:2"),
        *("tools:other:3", "tools:tools:0", "tools:tools:1", "tools:tools:2"),
    ]


def test_a_page_begins_behind_the_answer_that_it_is_told(job_id: str) -> None:
    whole = found(job_id)
    for number, last in enumerate(whole):
        assert found(job_id, after=last, limit=2) == whole[number + 1 : number + 4]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"stage": "base"}, ["base:tools:0", "base:tools:1"]),
        ({"suite": "other"}, ["chat:other:3", "tools:other:3"]),
        ({"stage": "tools", "verdict": "right"}, ["tools:tools:0", "tools:tools:1"]),
        ({"verdict": "wrong", "suite": "tools"}, ["base:tools:0", "base:tools:1", "chat:tools:0", "tools:tools:2"]),
        ({"stage": "tools", "verdict": "won"}, ["tools:tools:0"]),
        ({"stage": "tools", "verdict": "lost"}, ["tools:other:3", "tools:tools:2"]),
        ({"stage": "tools", "verdict": "lost", "suite": "tools"}, ["tools:tools:2"]),
        ({"stage": "chat", "verdict": "won"}, ["chat:tools:1"]),
    ],
)
def test_they_are_found_by_stage_suite_and_verdict(job_id: str, wanted: dict[str, Any], expected: list[str]) -> None:
    assert found(job_id, **wanted) == expected


def test_they_are_compared_with_another_model_of_the_job_or_of_another_one(job_id: str) -> None:
    assert found(job_id, stage="tools", verdict="won", against=f"ft:{job_id}-base") == [
        "tools:tools:0",
        "tools:tools:1",
    ]
    other = measure(new_job(), "tools", Row("c", True), Row("b", True), model=new_model("ft:other"))
    assert found(job_id, stage="tools", verdict="lost", against=other) == ["tools:tools:2"]
    assert found(job_id, stage="tools", against=other) == ["tools:tools:1", "tools:tools:2"]
    assert found(job_id, stage="tools", against=new_model("ft:nobody-measured-it")) == []


def test_what_cannot_be_found_says_why(job_id: str) -> None:
    with pytest.raises(InvalidRequest, match="this job has base, chat, tools"):
        found(job_id, stage="tool")
    with pytest.raises(InvalidRequest, match="give `stage` too"):
        found(job_id, verdict="won")
    with pytest.raises(InvalidRequest, match="nothing before base"):
        found(job_id, stage="base", verdict="won")
    with pytest.raises(NotFound, match="ft:unknown"):
        found(job_id, stage="tools", against="ft:unknown")
    for after in ("tools", "tools:tools:-1", "tools:tools:x", "tools:tools:99999999999", "a:b:c:1"):
        with pytest.raises(NotFound, match="no answer of that id"):
            found(job_id, after=after)
