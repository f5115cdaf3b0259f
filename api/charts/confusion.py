"""Whether a model called, against whether a call was right: four counts, darker where there are more rows."""

from collections.abc import Iterator

from markupsafe import Markup

from api.charts.svg import chart, rectangle, text
from core.scorecard.figures import Confusion
from core.scorecard.tables import CONFUSION

WIDTH, HEIGHT = 280, 150
_LEFT, _TOP, _CELL = 104, 36, (84, 50)
_PLACES = {
    "called_expected": (0, 0),
    "not_called_expected": (1, 0),
    "called_unexpected": (0, 1),
    "not_called_unexpected": (1, 1),
}
_RIGHT_ANSWERS = {"called_expected", "not_called_unexpected"}


def confusion_chart(name: str, title: str, confusion: Confusion) -> Markup:
    """A column for what the model did, a row for what was right."""
    described = "; ".join(f"{words}: {getattr(confusion, field)}" for field, words in CONFUSION.items())
    return chart(name, title, described, (WIDTH, HEIGHT), _parts(confusion))


def _parts(confusion: Confusion) -> Iterator[Markup]:
    width, height = _CELL
    for column, words in enumerate(("called", "not called")):
        yield text(_LEFT + (column + 0.5) * width, _TOP - 10, words)
    for row, words in enumerate(("a call is right", "no call is right")):
        yield text(_LEFT - 6, _TOP + (row + 0.5) * height + 4, words, anchor="end")
    for field, (column, row) in _PLACES.items():
        count = getattr(confusion, field)
        of_row = sum(getattr(confusion, other) for other, place in _PLACES.items() if place[1] == row)
        x, y, is_right = _LEFT + column * width, _TOP + row * height, field in _RIGHT_ANSWERS
        style = "cell right" if is_right else "cell wrong"
        yield rectangle(x + 1, y + 1, width - 2, height - 2, style, 0.08 + 0.5 * count / of_row if of_row else 0)
        yield text(x + width / 2, y + height / 2, f"{count:,}", style="value")
        yield text(x + width / 2, y + height / 2 + 16, "right" if is_right else "wrong", style="within")
