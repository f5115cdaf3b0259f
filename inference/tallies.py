"""Counters and histograms for the path of every request: plain dictionaries, read by Prometheus' library when it asks.

Its own lock a value for each change and look their labels up: 8 µs for a request, where these take one.  They live in
one event loop, and so need neither.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator

from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry
from prometheus_client.utils import floatToGoString

Labels = tuple[str, ...]


class Tally(Collector):
    """How often each combination of labels was seen: `tally.of[labels] += 1`."""

    def __init__(self, registry: CollectorRegistry, name: str, text: str, labels: Labels) -> None:
        self.of: defaultdict[Labels, int] = defaultdict(int)
        self._name, self._text, self._labels = name, text, labels
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """What Prometheus' library asks for."""
        family = CounterMetricFamily(self._name, self._text, labels=self._labels)
        for labels, count in self.of.items():
            family.add_metric(labels, count)
        yield family


class Spread(Collector):
    """How many values of each combination of labels lie up to which bound."""

    def __init__(
        self, registry: CollectorRegistry, name: str, text: str, labels: Labels, bounds: tuple[float, ...]
    ) -> None:
        self._bounds = bounds
        self._counts: dict[Labels, list[int]] = {}
        self._sums: defaultdict[Labels, float] = defaultdict(float)
        self._name, self._text, self._labels = name, text, labels
        registry.register(self)

    def observe(self, labels: Labels, value: float) -> None:
        """Count a value."""
        counts = self._counts.get(labels)
        if counts is None:
            counts = self._counts[labels] = [0] * (len(self._bounds) + 1)
        counts[bisect_left(self._bounds, value)] += 1
        self._sums[labels] += value

    def collect(self) -> Iterator[Metric]:
        """What Prometheus' library asks for: cumulative counts."""
        family = HistogramMetricFamily(self._name, self._text, labels=self._labels)
        bounds = [*map(floatToGoString, self._bounds), "+Inf"]
        for labels, counts in self._counts.items():
            so_far, buckets = 0, []
            for bound, count in zip(bounds, counts, strict=True):
                so_far += count
                buckets.append((bound, so_far))
            family.add_metric(labels, buckets, self._sums[labels])
        yield family
