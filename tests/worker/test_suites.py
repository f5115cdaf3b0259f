"""Whatever a model answers is graded, kept and stored."""

import json
import math

import pytest
from sqlalchemy import select

from core import evaluations
from core.db import transaction
from core.models import EvaluationAnswer
from tests.core.sessions import claim, new_job
from tests.worker.questions import OSLO, asked, said
from worker.stages.suites import Suite, graded_rows, kept_rows


@pytest.mark.usefixtures("database")
def test_answers_that_no_database_takes_are_stored_so_that_they_can_be_read() -> None:
    suite = Suite("tools", "held_out", [asked(OSLO), asked(OSLO), asked(), asked()])
    answers = [
        said(("get_weather", {"city\0": "Os\0lo", "n": math.inf})),
        said(("get_weather\ud800", "not \udfff JSON")),
        said(content="half \ud83d a pair, and \0"),
        said(content="fine"),
    ]
    rows = kept_rows(suite, answers, graded_rows(suite, answers))
    rows = [json.loads(json.dumps(row)) for row in rows]
    new_job()
    lease = claim()
    with transaction() as session:
        evaluations.record(session, lease, "chat", "m", {"n": 1}, rows)
    with transaction() as session:
        stored = list(session.scalars(select(EvaluationAnswer).order_by(EvaluationAnswer.row)))
        assert [row.correct for row in stored] == [False, False, True, True]
        assert stored[0].answer["calls"] == [{"name": "get_weather", "arguments": {"city␀": "Os␀lo", "n": "inf"}}]
        assert stored[1].answer["calls"] == [{"name": "get_weather�", "arguments": "not � JSON"}]
        assert stored[2].answer["content"] == "half � a pair, and ␀"
        assert (stored[0].tools, stored[0].question) == (["get_weather"], "What?")
