"""Housekeeping messages that piled up are answered once."""

from tests.waiting import wait_until
from worker.tasks import spaced


def test_messages_that_follow_one_another_too_soon_are_skipped() -> None:
    runs: list[int] = []
    task = spaced(lambda: runs.append(1), apart_s=3600)
    for _ in range(50):
        task()
    assert len(runs) == 1


def test_a_message_that_comes_in_time_is_answered() -> None:
    runs: list[int] = []
    task = spaced(lambda: runs.append(1), apart_s=0.02)
    task()
    wait_until(lambda: (task(), len(runs) > 1)[1], 5)
    assert len(runs) == 2
