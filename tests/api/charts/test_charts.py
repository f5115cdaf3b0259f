"""Charts are sound SVG, say in words what they show, and draw values where they belong."""

import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from markupsafe import Markup

from api.charts.axis import Axis, round_values
from api.charts.confusion import confusion_chart
from api.charts.curve import curve_chart
from api.charts.intervals import interval_chart
from core.curves import Bucket
from core.scorecard.figures import Confusion, Rate

HOSTILE = '<script>&"]]>'
RATE = Rate(value=0.5, n=10, low=0.25, high=0.75)


def parsed(chart: Markup) -> ET.Element:
    root = ET.fromstring(str(chart))
    title, description = root[0], root[1]
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    assert title.text
    assert description.text
    return root


def of_class(root: ET.Element, name: str) -> list[ET.Element]:
    return [element for element in root.iter() if name in (element.get("class") or "").split()]


def test_an_interval_reaches_from_its_low_to_its_high_end() -> None:
    root = parsed(interval_chart("a", "Accuracy", [("base", RATE), ("tools", None)]))
    [point] = of_class(root, "point")
    whole, low, high = of_class(root, "interval")
    middle = float(point.get("cy", "nan"))
    assert float(low.get("y1", "nan")) > middle > float(high.get("y1", "nan"))
    assert (whole.get("y1"), whole.get("y2")) == (low.get("y1"), high.get("y1"))
    assert root[1].text == "base: 50.0% of 10, 95% interval 25.0% to 75.0%; tools: not measured"


def test_names_are_escaped_and_shortened() -> None:
    root = parsed(interval_chart("a", HOSTILE, [(HOSTILE * 9, RATE), ("b", RATE), ("c", RATE)]))
    assert root[0].text == HOSTILE
    assert max(len(element.text or "") for element in of_class(root, "name")) == 12


def test_a_curve_keeps_the_one_spike_among_its_steps() -> None:
    buckets = [Bucket(n * 10 + 1, n * 10 + 10, 0.5, 0.6, 9.0 if n == 7 else 0.7) for n in range(20)]
    root = parsed(curve_chart("a", "Loss", buckets, "loss"))
    [band], [curve] = of_class(root, "band"), of_class(root, "curve")
    highest = min(float(point.split()[1]) for point in band.get("d", "").strip("MZ").split(" L"))
    assert highest == pytest.approx(Axis(0, 10, 190, 14).at(9.0), abs=0.1)
    assert len(curve.get("d", "").split(" L")) == 20
    assert "the highest 9.000" in (root[1].text or "")


def test_a_curve_of_one_step_is_drawn_too() -> None:
    parsed(curve_chart("a", "Loss", [Bucket(1, 1, 0.0, 0.0, 0.0)], "loss"))


def test_confusion_says_what_was_right_without_its_colours() -> None:
    counts = Confusion(called_expected=9, not_called_expected=1, called_unexpected=0, not_called_unexpected=1234)
    root = parsed(confusion_chart("a", "Calls", counts))
    assert [element.text for element in of_class(root, "value")] == ["9", "1", "0", "1,234"]
    assert [element.text for element in of_class(root, "within")] == ["right", "wrong", "wrong", "right"]
    parsed(confusion_chart("a", "Calls", Confusion.model_validate(dict.fromkeys(counts.model_dump(), 0))))


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (0, 3.2), (0.21, 0.24), (-3, 7), (0, 41_250), (5, 5), (0, 1e-6), (0, 99)]
)
def test_round_values_enclose_the_range(low: float, high: float) -> None:
    values = round_values(low, high)
    assert values[0] <= low
    assert values[-1] >= high
    assert 2 <= len(values) <= 6
    assert all(b > a for a, b in pairwise(values))
