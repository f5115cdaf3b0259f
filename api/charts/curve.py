"""A figure over the steps of a training: the mean of the steps that share a dot, in the band of all their values."""

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from api.charts.axis import Axis, round_values
from api.charts.svg import chart, line, path, text
from core.curves import Bucket

WIDTH, HEIGHT = 380, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 356, 14, 190


def curve_chart(name: str, title: str, buckets: Sequence[Bucket], unit: str) -> Markup:
    """Every value lies in the band, so no spike is lost, however many steps there are."""
    return chart(name, title, _described(buckets, unit), (WIDTH, HEIGHT), _parts(buckets, unit))


def _parts(buckets: Sequence[Bucket], unit: str) -> Iterator[Markup]:
    values = round_values(min(0.0, *(b.low for b in buckets)), max(b.high for b in buckets))
    steps = round_values(0, buckets[-1].last)
    across, up = Axis(0, steps[-1], _LEFT, _RIGHT), Axis(values[0], values[-1], _BOTTOM, _TOP)
    for value in values:
        yield line(_LEFT, up.at(value), _RIGHT, up.at(value), "grid")
        yield text(_LEFT - 5, up.at(value) + 4, f"{value:g}", anchor="end")
    for step in steps:
        yield text(across.at(step), _BOTTOM + 16, f"{step:,.0f}")
    yield text((_LEFT + _RIGHT) / 2, _BOTTOM + 33, f"step ({unit} upwards)")
    middles = [across.at((b.first + b.last) / 2) for b in buckets]
    upper = [(x, up.at(b.high)) for x, b in zip(middles, buckets, strict=True)]
    lower = [(x, up.at(b.low)) for x, b in zip(middles, buckets, strict=True)]
    yield path([*upper, *reversed(lower)], "band", closed=True)
    yield path([(x, up.at(b.mean)) for x, b in zip(middles, buckets, strict=True)], "curve")


def _described(buckets: Sequence[Bucket], unit: str) -> str:
    first, last, lowest = buckets[0], buckets[-1], min(buckets, key=lambda bucket: bucket.low)
    return (
        f"{unit} over {last.last} steps: {first.mean:.3f} at first, {last.mean:.3f} at last; "
        f"the lowest is {lowest.low:.3f} at steps {lowest.first} to {lowest.last}, "
        f"the highest {max(bucket.high for bucket in buckets):.3f}"
    )
