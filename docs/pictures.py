"""Draws the pictures of the pages by the code that draws charts in the service; `--write` puts them beside them."""

import sys
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from api.charts.confusion import confusion_chart
from api.charts.intervals import interval_chart
from core.scorecard.figures import Confusion, Rate
from core.significance import rate

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs" / "scorecard.svg"
STYLES = [ROOT / "api" / "templates" / name for name in ("base.css", "charts.css")]
NAMES = ("base", "chat", "tools")
# Of one run of the demo: rows that are right, of those that expect calls and of those that expect none; and in how many
# of the first the last model called anything.
CALLS, CALLS_ROWS = (0, 0, 220), 240
LEFT_ALONE, NO_CALL_ROWS = (247, 280, 263), 280
CALLED = 238


def scorecard_picture() -> str:
    """What the demo's scorecard shows first."""
    calls = interval_chart("calls", "Function name and args accuracy", _shares(CALLS, CALLS_ROWS))
    others = interval_chart("others", "No call accuracy", _shares(LEFT_ALONE, NO_CALL_ROWS))
    counts = Confusion(
        called_expected=CALLED,
        not_called_expected=CALLS_ROWS - CALLED,
        called_unexpected=NO_CALL_ROWS - LEFT_ALONE[-1],
        not_called_unexpected=LEFT_ALONE[-1],
    )
    confusion = confusion_chart("confusion", "Calls of tools", counts)
    parts = [
        (calls, 0, "Right function, all arguments right"),
        (others, 310, "Nothing called where nothing fits"),
        (confusion, 620, "Calls of tools"),
    ]
    drawn = Markup("").join(
        Markup(
            '<text x="{}" y="16" class="value">{}</text><svg x="{}" y="24" width="300" height="210">{}</svg>'
        ).format(x + 8, title, x, chart)
        for chart, x, title in parts
    )
    style = "".join(path.read_text(encoding="utf-8") for path in STYLES)
    head = '<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 910 236" width="910" height="236">'
    return f"{head}<style>{style}</style>{drawn}</svg>\n"


def _shares(right: Sequence[int], rows: int) -> list[tuple[str, Rate]]:
    rates = [Rate.model_validate(rate([True] * count + [False] * (rows - count))) for count in right]
    return list(zip(NAMES, rates, strict=True))


if __name__ == "__main__":
    picture = scorecard_picture()
    if "--write" in sys.argv[1:]:
        PICTURE.write_text(picture, encoding="utf-8")
    else:
        print(picture, end="")
