"""Preflights in Postgres: one for one spec, claimed once, ended once, given up when lost too often."""

import pytest
from sqlalchemy import text

from core import preflights
from core.db import transaction
from core.errors import Conflict, NotFound
from core.models import Preflight
from core.preflights import MOST_ATTEMPTS, Claimed
from core.spec import JobSpec
from core.states import PreflightStatus
from tests.conftest import Services
from tests.core.sessions import new_job

SPEC, OTHER = JobSpec(base_model="Qwen/Qwen2.5-3B"), JobSpec(base_model="Qwen/Qwen2.5-7B")


def ask(spec: JobSpec = SPEC, supersedes: str | None = None) -> str:
    with transaction() as session:
        return preflights.ask(session, spec, supersedes=supersedes).id


def claim(lease_s: float = 60) -> Claimed | None:
    with transaction() as session:
        return preflights.claim(session, lease_s)


def end(claimed: Claimed, status: PreflightStatus = PreflightStatus.SUCCEEDED) -> bool:
    with transaction() as session:
        return preflights.finish(session, claimed, status, report={}, preview=[])


def read(preflight_id: str) -> Preflight:
    with transaction() as session:
        return preflights.get(session, preflight_id)


def test_asking_twice_for_the_same_is_one_preflight_until_it_has_ended(database: Services) -> None:
    first = ask()
    assert ask() == first
    claimed = claim()
    assert claimed is not None
    assert ask() == first
    assert end(claimed)
    assert ask() != first


def test_each_is_claimed_once_and_the_oldest_first(database: Services) -> None:
    first, second = ask(), ask(OTHER)
    claims = [claim(), claim(), claim()]
    assert [one and one.preflight_id for one in claims] == [first, second, None]


def test_a_superseded_one_is_cancelled_and_what_comes_of_it_is_not_stored(database: Services) -> None:
    first = ask()
    claimed = claim()
    assert claimed is not None
    second = ask(OTHER, supersedes=first)
    with transaction() as session:
        assert not preflights.renew(session, claimed)
    assert not end(claimed)
    assert (read(first).status, read(second).status) == (PreflightStatus.CANCELLED, PreflightStatus.QUEUED)


def test_one_that_has_ended_is_not_cancelled(database: Services) -> None:
    first = ask()
    claimed = claim()
    assert claimed is not None
    end(claimed)
    ask(OTHER, supersedes=first)
    assert read(first).status == PreflightStatus.SUCCEEDED


def test_one_whose_process_is_lost_is_claimed_anew_and_the_late_comer_changes_nothing(database: Services) -> None:
    ask()
    lost, again = claim(lease_s=-1), claim()
    assert lost is not None
    assert again is not None
    assert lost.preflight_id == again.preflight_id
    assert (end(lost), end(again)) == (False, True)


def test_one_that_is_lost_again_and_again_is_given_up(database: Services) -> None:
    preflight_id = ask()
    assert all(claim(lease_s=-1) for _ in range(MOST_ATTEMPTS))
    assert claim() is None
    found = read(preflight_id)
    assert found.status == PreflightStatus.FAILED
    assert [problem["code"] for problem in found.problems or []] == ["preflight_lost"]


def test_a_job_keeps_one_and_a_later_run_replaces_it(database: Services) -> None:
    job_id = new_job()
    with transaction() as session:
        with pytest.raises(NotFound, match="no preflight yet"):
            preflights.of_job(session, job_id)
        assert preflights.store_of_job(session, job_id, SPEC, {"a": 1}, [])
    with transaction() as session:
        assert not preflights.store_of_job(session, job_id, SPEC, {"a": 2}, [])
    with transaction() as session:
        found = preflights.of_job(session, job_id)
        assert found.report == {"a": 2}
        with pytest.raises(Conflict, match="has no sample rows"):
            preflights.preview_of(found)
        preflights.sweep(session, keep_s=-1)
        assert preflights.of_job(session, job_id).id == found.id
        session.execute(text("DELETE FROM jobs"))
    with transaction() as session, pytest.raises(NotFound):
        preflights.get(session, found.id)
