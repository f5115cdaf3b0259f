"""The Markdown says what the card says, and shows what people wrote as they wrote it."""

import pytest

from core.scorecard.calls import written_calls, written_expected
from core.scorecard.markdown import code, escape, markdown
from tests.core.scorecard.cards import HOSTILE, example_card

ACCEPTED = {"name": "f", "arguments": {"city": ["Oslo", "Oslo, Norway"], "unit": ["C", ""]}, "optional": ["unit"]}


@pytest.fixture
def shown() -> str:
    return markdown(example_card())


def test_it_has_every_figure_with_n_and_interval(shown: str) -> None:
    assert "tools answers 91.7% of 12 requests with exactly the right calls (95% interval 65 to 99)" in shown
    assert "| function name and args accuracy (n=12) | 0.0% (0–24) | 0.0% (0–24) | 91.7% (65–99) |" in shown
    assert "| no call precision | 7.7% (1–33), n=13 | 7.7% (1–33), n=13 | 0.0% (0–79), n=1 |" in shown
    assert "| not called, but a call is right | 12 | 12 | 1 |" in shown
    assert "| held-out loss, nats a token | – | – | 0.733 |" in shown
    assert (
        "- tools: the held-out chat loss is 0.513 higher than after chat (0.410 to 0.610, over 40 rows; bound" in shown
    )
    assert (
        "- By the judge a-judge, it prefers tools on 12 of 40 rows, chat on 1, and neither on 25 (p = 0.0034; 2"
        in shown
    )
    assert "| tokens/s, 8 clients | – | – | 1,651 |" in shown
    assert "- In all 0.5000 GPU-hours on NVIDIA T4, 0.1800 EUR." in shown
    assert "| training, s | – | 360 | 720 |" in shown
    assert "| 1,000 answers, EUR | – | – | 0.0013 |" in shown
    assert "- tools, step 120: the loss is 0.1; use more rows." in shown
    assert "- tools did not pass its gate." in shown
    assert "no\\_call\\_accuracy does not hold: it is 0.000, and must be 0.9 at least." in shown
    assert "empty rate" not in shown


def test_it_says_which_model_is_better_and_on_how_many_rows(shown: str) -> None:
    assert "tools is better than chat on suite tools: better on 11 rows, worse on 1, of 13 (p = 0.0063)." in shown
    assert "### Won: tools against chat, tools (1 of 11)" in shown
    assert "### Lost: tools against chat, tools (1 of 1)" in shown


def test_what_people_wrote_is_no_markup(shown: str) -> None:
    assert r"- “\<script\>alert(1)\</script\> \| \*\*bold\*\* \`code\` \# heading" in shown
    assert "  - chat: `` <script>alert(1)</script> | **bold** `code` # heading" in shown
    for line in shown.splitlines():
        assert not line.startswith(("# heading", "<"))
    assert code("a``b") == "``` a``b ```"
    assert escape(HOSTILE).startswith(r"\<script\>")


def test_calls_are_written_with_what_else_is_accepted() -> None:
    assert written_expected([ACCEPTED]) == 'f(city="Oslo"|"Oslo, Norway", unit?="C"|"")'
    called = [{"name": "f", "arguments": {"n": 3}}, {"name": "g", "arguments": "{'n'"}]
    assert written_calls(called) == "f(n=3)\ng({'n')"
