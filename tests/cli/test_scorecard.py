"""The scorecard in the terminal: every figure is there, also where the terminal is narrow, and nothing steers it."""

import pytest
from rich.console import Console

from cli.scorecard import fractions, print_prompts, print_scorecard
from tests.core.scorecard.cards import example_card


def printed(width: int) -> str:
    console = Console(record=True, width=width, force_terminal=True)
    print_scorecard(example_card(), console)
    print_prompts(example_card(), console)
    return console.export_text()


@pytest.mark.parametrize("width", [80, 120])
def test_every_figure_is_shown_and_no_line_is_too_long(width: int) -> None:
    shown = printed(width)
    for text in (
        "91.7% (65–99)",
        "tools: 13 rows",
        "invented: 5 rows",
        "0.733",
        "1,651",
        "n=13",
        "p = 0.0063",
        "use more rows.",
        "did not pass its gate",
    ):
        assert text in " ".join(shown.split()), text
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= width


def test_a_terminal_of_forty_columns_still_shows_them() -> None:
    shown = printed(40)
    assert "91.7%" in shown
    assert "…" not in shown.split("The same prompts")[0]


def test_an_answer_cannot_steer_the_terminal() -> None:
    assert "\\x1b[2J" in printed(240)


def test_the_headline_comes_as_fractions_for_programs() -> None:
    assert fractions(example_card(), "tools") == {
        "function_name_accuracy": 0.9167,
        "function_name_and_args_accuracy": 0.9167,
        "no_call_accuracy": 0.0,
        "stop_rate": 1.0,
        "n": {
            "function_name_accuracy": 12,
            "function_name_and_args_accuracy": 12,
            "no_call_accuracy": 1,
            "stop_rate": 13,
        },
        "chat_loss": 0.7331,
    }
