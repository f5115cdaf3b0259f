"""The queue is played through as claims take it: order, fair share, limits, budgets, memory and waits."""

from typing import Any

from core.simulation import UNKNOWN_S, Seat, Share, Waiting, Work, play


def waiting(name: str, project: str = "a", work_s: float | None = 100, **others: Any) -> Waiting:
    return Waiting(name, project, **{"priority": 0, "memory_bytes": 1, **others}, work_s=work_s)


def one_seat(free_s: float = 0) -> list[Seat]:
    return [Seat(4, free_s)]


def test_a_single_job_of_a_small_project_comes_right_after_the_first_of_a_crowd() -> None:
    crowd = [waiting(f"big-{number}", "big") for number in range(100)]
    starts = play([*crowd, waiting("one", "small")], one_seat(), [], {"big": Share(turn=0), "small": Share(turn=1)})
    assert list(starts)[:3] == ["big-0", "one", "big-1"]
    assert starts["one"] == 100


def test_the_project_with_fewer_jobs_at_work_goes_first_and_a_job_waits_for_a_worker_that_fits_it() -> None:
    queue = [waiting("a1"), waiting("a2"), waiting("b1", "b"), waiting("huge", "b", memory_bytes=9)]
    starts = play(queue, [Seat(4, 10), Seat(4, 0)], [Work("a", 10)], {})
    assert starts == {"b1": 0, "a1": 10, "a2": 100}
    assert play([waiting("huge", memory_bytes=9)], [Seat(4, 0), Seat(9, 50)], [], {}) == {"huge": 50}


def test_priority_comes_before_fair_share() -> None:
    queue = [waiting("urgent-1", priority=5), waiting("urgent-2", priority=5), waiting("other", "b")]
    assert list(play(queue, one_seat(), [], {})) == ["urgent-1", "urgent-2", "other"]


def test_what_comes_after_work_of_unknown_length_has_a_rank_and_no_time() -> None:
    starts = play([waiting("x", work_s=None), waiting("y"), waiting("z")], one_seat(), [], {})
    assert list(starts) == ["x", "y", "z"]
    assert starts["x"] == 0
    assert min(starts["y"], starts["z"]) >= UNKNOWN_S


def test_a_project_at_its_limit_waits_for_its_own_job_while_a_worker_is_free() -> None:
    starts = play([waiting("a1"), waiting("b1", "b")], [Seat(4, 0), Seat(4, 70)], [Work("a", 70)], {"a": Share(1, 1)})
    assert starts == {"b1": 0, "a1": 70}


def test_a_budget_that_is_spent_on_the_way_lets_nothing_more_start() -> None:
    queue = [waiting("a1"), waiting("a2"), waiting("a3")]
    assert play(queue, one_seat(), [], {"a": Share(left_s=150)}) == {"a1": 0, "a2": 100}
    assert play(queue, one_seat(20), [Work("a", 20)], {"a": Share(left_s=20)}) == {}


def test_a_job_that_backs_off_lets_others_go_first_and_starts_when_it_may() -> None:
    assert play([waiting("later", not_before_s=30)], one_seat(), [], {}) == {"later": 30}
    queue = [waiting("later", not_before_s=30), waiting("now")]
    assert play(queue, one_seat(), [], {}) == {"now": 0, "later": 100}
