"""Answers of two models are paired by what was asked and what was expected, whichever jobs asked it."""

from datetime import UTC, datetime

import pytest

from core.db import transaction
from core.pairing import Answers, compare_answers, examples, of_model, of_stage
from core.significance import Paired, mcnemar
from tests.conftest import Services
from tests.core.measured import Row, measure
from tests.core.sessions import new_job


@pytest.fixture
def job_id(database: Services) -> str:
    return new_job()


def compared(older: Answers, newer: Answers) -> dict[str, Paired]:
    with transaction() as session:
        return compare_answers(session, older, newer)


def asked(older: Answers, newer: Answers, *, won: bool, limit: int = 100) -> list[tuple[str, bool, bool]]:
    with transaction() as session:
        found = examples(session, older, newer, won=won, limit=limit)
        return [(after.question, before.correct, after.correct) for before, after in found]


def test_rows_won_and_lost_are_counted_suite_by_suite(job_id: str) -> None:
    rows = [("a", False, True), ("b", False, True), ("c", True, False), ("d", True, True), ("e", False, False)]
    measure(job_id, "chat", *(Row(q, before) for q, before, _ in rows), Row("f", True, suite="other"))
    measure(job_id, "tools", *(Row(q, after) for q, _, after in rows), Row("f", True, suite="other"))
    older, newer = of_stage(job_id, "chat"), of_stage(job_id, "tools")
    assert compared(older, newer) == {"other": Paired(1, 0, 0, 1.0), "tools": Paired(5, 2, 1, mcnemar(2, 1))}
    assert asked(older, newer, won=True) == [("a", False, True), ("b", False, True)]
    assert asked(older, newer, won=False) == [("c", True, False)]
    assert asked(older, newer, won=True, limit=1) == [("a", False, True)]


def test_rows_of_two_jobs_are_paired_whatever_their_order(job_id: str) -> None:
    old = measure(job_id, "tools", Row("a", True), Row("b", False), Row("only in the older suite", True))
    new = measure(new_job(), "tools", Row("only in the newer one", False), Row("b", True), Row("a", True))
    assert compared(of_model(old), of_model(new)) == {"tools": Paired(2, 1, 0, 1.0)}


def test_a_row_that_a_suite_holds_twice_is_paired_copy_by_copy(job_id: str) -> None:
    measure(job_id, "chat", Row("a", True), Row("a", False))
    measure(job_id, "tools", Row("a", False), Row("a", False))
    assert compared(of_stage(job_id, "chat"), of_stage(job_id, "tools")) == {"tools": Paired(2, 0, 1, 1.0)}


def test_the_same_question_with_another_right_answer_is_another_row(job_id: str) -> None:
    old = measure(job_id, "tools", Row("a", True))
    new = measure(new_job(), "tools", Row("a", True, expected=()))
    assert compared(of_model(old), of_model(new)) == {}


def test_of_a_model_that_several_jobs_measured_the_newest_answers_count(job_id: str) -> None:
    measure(job_id, "base", Row("a", False), Row("b", True), model="base", at=datetime(2026, 11, 1, tzinfo=UTC))
    measure(new_job(), "base", Row("a", True), model="base", at=datetime(2026, 11, 2, tzinfo=UTC))
    new = measure(new_job(), "tools", Row("a", True), Row("b", True))
    assert compared(of_model("base"), of_model(new)) == {"tools": Paired(2, 0, 0, 1.0)}


def test_thousands_of_rows_are_paired_though_postgres_knows_nothing_of_the_table_yet(job_id: str) -> None:
    for stage in ("chat", "tools"):
        measure(job_id, stage, *(Row(f"q{n}", stage == "tools" and n % 3 == 0) for n in range(3000)))
    older, newer = of_stage(job_id, "chat"), of_stage(job_id, "tools")
    assert compared(older, newer)["tools"].won == 1000
    assert len(asked(older, newer, won=True, limit=20)) == 20
