"""How progress reads in the terminal."""

import time

import pytest

from cli.watch import describe_duration, describe_progress, describe_wait


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3600, "1 h 00 min"),
        (7800, "2 h 10 min"),
    ],
)
def test_durations_read_as_people_say_them(seconds: float, shown: str) -> None:
    assert describe_duration(seconds) == shown


def test_progress_shows_loss_speed_and_time_left() -> None:
    progress = {"step": 5, "max_steps": 10, "loss": 1.2345, "tokens_per_s": 2100.4, "eta_s": 80}
    assert describe_progress(progress) == "loss 1.234 · 2,100 tokens/s · 1 min 20 s left"


def test_progress_leaves_out_what_is_not_known_yet() -> None:
    assert describe_progress({"step": 0, "max_steps": 10, "loss": None, "tokens_per_s": 0, "eta_s": None}) == ""


def test_a_wait_shows_place_reason_and_the_range_of_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    job = {"queue_position": 3, "waiting_for": None, "expected_start": [0, 180], "expected_end": [3600, 3610]}
    assert describe_wait(job) == "place 3 · starts Thu 00:00 to Thu 00:03 · ends Thu 01:00"


def test_a_wait_shows_why_no_time_is_known() -> None:
    job = {"queue_position": None, "waiting_for": "no worker is there", "expected_start": None, "expected_end": None}
    assert describe_wait(job) == "waiting: no worker is there"
