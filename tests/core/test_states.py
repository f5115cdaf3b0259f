"""The tables of moves: complete, final states final, and every job able to end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Conflict
from core.states import (
    DEPLOYMENT_MOVES,
    FINAL,
    HELD,
    JOB_MOVES,
    WORKING,
    DeploymentStatus,
    JobStatus,
    check_deployment_move,
    check_job_move,
)

job_statuses = st.sampled_from(JobStatus)


def test_every_state_is_in_its_table() -> None:
    assert set(JOB_MOVES) == set(JobStatus)
    assert set(DEPLOYMENT_MOVES) == set(DeploymentStatus)
    assert FINAL | HELD | {JobStatus.QUEUED, JobStatus.PAUSED} == set(JobStatus)


@given(st.sampled_from(sorted(FINAL)), job_statuses)
def test_a_final_state_is_left_for_the_queue_alone_and_success_never(current: JobStatus, target: JobStatus) -> None:
    if target == current or (target == JobStatus.QUEUED and current != JobStatus.SUCCEEDED):
        check_job_move("ftjob-x", current, target)
    else:
        with pytest.raises(Conflict, match=f"ftjob-x is {current}: it cannot become {target}"):
            check_job_move("ftjob-x", current, target)


@given(st.lists(job_statuses, max_size=30))
def test_a_job_can_end_from_wherever_its_moves_lead(wishes: list[JobStatus]) -> None:
    current = JobStatus.QUEUED
    for wish in wishes:
        if wish in JOB_MOVES[current]:
            current = wish
    assert current in FINAL or JOB_MOVES[current] & FINAL


@given(st.sampled_from(sorted(WORKING)))
def test_a_job_at_work_stops_by_way_of_cancelling(current: JobStatus) -> None:
    assert JobStatus.CANCELLED not in JOB_MOVES[current]
    assert {JobStatus.CANCELLING, JobStatus.QUEUED, JobStatus.FAILED} <= JOB_MOVES[current]


def test_only_jobs_that_a_worker_holds_are_cancelling_and_they_never_succeed() -> None:
    assert {s for s, moves in JOB_MOVES.items() if JobStatus.CANCELLING in moves} == WORKING | {JobStatus.PAUSING}
    assert JobStatus.SUCCEEDED not in JOB_MOVES[JobStatus.CANCELLING]


@given(st.sampled_from([DeploymentStatus.FAILED, DeploymentStatus.SUPERSEDED]), st.sampled_from(DeploymentStatus))
def test_an_ended_deployment_stays_so(current: DeploymentStatus, target: DeploymentStatus) -> None:
    with pytest.raises(Conflict, match="dep-x"):
        check_deployment_move("dep-x", current, target)
