"""The report and the sample rows in the terminal: everything is said, and a row cannot steer the terminal."""

from typing import Any

import pytest
from rich.console import Console

from cli.preflight_report import print_report
from cli.preview import print_preview
from core.architecture import of_hub_name
from core.durations import Span
from core.estimate import Found, Pace, WorkerSeen, make
from core.preparation import Preparation
from core.spec import JobSpec
from tests.core.counts import ROWS, SOUND


@pytest.fixture
def console() -> Console:
    return Console(record=True, width=240, force_terminal=True)


def test_every_part_of_the_report_is_printed(console: Console) -> None:
    spec = JobSpec(base_model="Qwen/Qwen2.5-3B")
    data = {**SOUND, "dropped": {"too_long": ROWS}, "lengths": ({"up_to": 64, "rows": 3}, {"up_to": None, "rows": 9})}
    prepared = {"chat": Preparation.model_validate(data)}
    found = Found(spec, of_hub_name(spec.base_model), prepared, [WorkerSeen("w1", "NVIDIA T4", 4 * 1024**3)])
    report = make(found, [Pace("NVIDIA T4", Span(60, 7200), "measured"), Pace("cpu", None, "unknown")], 2.0, "EUR")
    print_report(console, report.model_dump(mode="json"))
    printed = console.export_text()
    for text in (
        "29,933,568",
        "70 too_long (rows 3, 4, 5, 6, 7, …)",
        "longer  ██████████████████████████████ 9",
        "w1 (4 GB): does not fit",
        "16 GB card (16 GB): fits",
        "stages[0]: ",
        "NVIDIA T4: 1 min 00 s to 2 h 00 min, 0.017 to 2 GPU hours, 0.03 to 4 EUR (measured)",
        "cpu: time not known (unknown)",
        "! warmup_too_long: stages[0].warmup_steps is 100",
    ):
        assert text in printed, text


def preview(*texts: str, hidden: int = 0) -> dict[str, Any]:
    marks = "0" * (len(texts) - 1) + "1"
    row = {"number": 5, "shown_as": ["first row"], "tokens": 9, "trained_tokens": 1, "hidden_tokens": hidden}
    row |= {"ids": list(range(len(texts))), "texts": list(texts), "trained": marks, "special": marks}
    return {"stages": [{"stage": "chat", "rows": [row]}]}


def test_white_space_is_visible_and_learned_tokens_are_marked(console: Console) -> None:
    print_preview(console, preview("a b\n", "\t", "<|im_end|>", hidden=4), rows=3)
    printed = console.export_text(styles=True)
    assert "a·b↵\n→" in printed
    assert "\x1b[1;4;7;32m<|im_end|>" in printed
    assert "4 tokens before these are not shown" in printed


def test_a_row_cannot_steer_the_terminal_nor_the_markup(console: Console) -> None:
    print_preview(console, preview("\x1b[2J", "[bold]x[/bold]", "\u202eend"), rows=3)
    printed = console.export_text(styles=False)
    assert "\\x1b[2J" in printed
    assert "[bold]x[/bold]" in printed
    assert "\u202e" not in printed
