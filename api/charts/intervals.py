"""A share of every model, as points with their 95% intervals."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from markupsafe import Markup

from api.charts.axis import Axis
from api.charts.svg import chart, circle, line, path, shortened, text
from core.scorecard.figures import Rate

WIDTH, HEIGHT = 300, 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 42, 292, 26, 178

Point = tuple[str, Rate | None]
"""A model's name and its share, if it was measured."""


def interval_chart(name: str, title: str, points: Sequence[Point]) -> Markup:
    """One share of every model, in their order."""
    return chart(name, title, _described(points), (WIDTH, HEIGHT), _parts(points))


def _parts(points: Sequence[Point]) -> Iterator[Markup]:
    shares = Axis(0, 1, _BOTTOM, _TOP)
    for share in (0, 0.25, 0.5, 0.75, 1):
        yield line(_LEFT, shares.at(share), _RIGHT, shares.at(share), "grid")
        yield text(_LEFT - 5, shares.at(share) + 4, f"{share:.0%}", anchor="end")
    places = [_LEFT + (_RIGHT - _LEFT) * (n + 0.5) / len(points) for n in range(len(points))]
    measured = [(x, shares.at(rate.value)) for x, (_, rate) in zip(places, points, strict=True) if rate]
    yield from (path(pair, "between") for pair in pairwise(measured))
    for x, (model, rate) in zip(places, points, strict=True):
        yield text(x, _BOTTOM + 20, shortened(model, 36 // len(points)), style="name")
        if rate is None:
            yield text(x, shares.at(0.5), "not measured")
            continue
        low, value, high = (shares.at(share) for share in (rate.low, rate.value, rate.high))
        yield line(x, low, x, high, "interval")
        yield from (line(x - 6, end, x + 6, end, "interval") for end in (low, high))
        yield circle(x, value, 4.5, "point")
        yield text(x, high - 7, f"{rate.value:.1%}", style="value")


def _described(points: Sequence[Point]) -> str:
    return "; ".join(f"{model}: {_in_words(rate)}" for model, rate in points)


def _in_words(rate: Rate | None) -> str:
    if rate is None:
        return "not measured"
    return f"{rate.value:.1%} of {rate.n}, 95% interval {rate.low:.1%} to {rate.high:.1%}"
