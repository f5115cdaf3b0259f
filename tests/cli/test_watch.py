"""How progress reads in the terminal."""

import pytest

from cli.watch import describe_duration, describe_progress


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
