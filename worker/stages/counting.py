"""The counts of a preparation, gathered batch by batch in a few bytes a row."""

from array import array
from typing import get_args

import numpy as np

from core.preparation import FIRST_ROWS, LENGTH_BUCKETS, DropReason, Kind, LengthBucket, RowPlace, Rows, bucket_of
from core.rows import BadRows
from core.spec import StageSpec
from worker.stages.tokenising import Batch, Outcome


class _Found:
    """Rows that something is true of, while they are counted."""

    def __init__(self) -> None:
        self.count, self.first = 0, list[RowPlace]()

    def add(self, at: RowPlace) -> None:
        self.count += 1
        if len(self.first) < FIRST_ROWS:
            self.first.append(at)

    def rows(self) -> Rows:
        return Rows(count=self.count, first=tuple(self.first))


class Counts:
    """Counts of all batches so far."""

    def __init__(self) -> None:
        self.rows_in = self.rows = self.tokens = self.trained_tokens = self.longest = self.parity_rows = 0
        self.kinds: dict[Kind, int] = {"own": 0, "no_call": 0, "replay": 0}
        self.dropped: dict[DropReason, _Found] = {reason: _Found() for reason in get_args(DropReason)}
        self.longest_dropped = 0
        self.cut, self.overlap, self.not_stopped = _Found(), _Found(), _Found()
        self._lengths = [0] * (len(LENGTH_BUCKETS) + 1)
        self._digests, self._sources, self._numbers = array("Q"), array("H"), array("I")
        self._source_names: dict[str, int] = {}

    def add(self, batch: Batch) -> None:
        """Count a batch's rows."""
        for outcome in batch.outcomes:
            self.rows_in += 1
            if outcome.dropped is not None:
                self.dropped[outcome.dropped].add(place(outcome.origin))
                self.longest_dropped = max(self.longest_dropped, outcome.length)
            else:
                self._add_kept(outcome)

    def _add_kept(self, outcome: Outcome) -> None:
        self.rows += 1
        self.kinds[outcome.kind] += 1
        self.tokens += outcome.length
        self.trained_tokens += outcome.trained_tokens
        self.longest = max(self.longest, outcome.length)
        self.parity_rows += outcome.is_checked
        self._lengths[bucket_of(outcome.length)] += 1
        for found, is_true in (
            (self.cut, outcome.is_cut),
            (self.overlap, outcome.overlaps),
            (self.not_stopped, not outcome.stops),
        ):
            if is_true:
                found.add(place(outcome.origin))
        source, number = split(outcome.origin)
        self._digests.append(outcome.digest)
        self._sources.append(self._source_names.setdefault(source, len(self._source_names)))
        self._numbers.append(number)

    def add_bad(self, source: str, bad: BadRows) -> None:
        """Count the rows of the stage's own data that could not be read."""
        self.rows_in += bad.count
        found = self.dropped["bad_row"]
        found.count = bad.count
        found.first = [RowPlace(source=source, row=problem.row) for problem in bad.first[:FIRST_ROWS]]

    def duplicates(self) -> Rows:
        """The rows that an earlier one is equal to."""
        digests = np.frombuffer(self._digests, np.uint64) if self._digests else np.empty(0, np.uint64)
        order = np.argsort(digests, kind="stable")  # of equal rows the earliest stays in front
        again = np.sort(order[1:][digests[order[1:]] == digests[order[:-1]]])
        names = list(self._source_names)
        first = [RowPlace(source=names[self._sources[i]], row=self._numbers[i]) for i in again[:FIRST_ROWS].tolist()]
        return Rows(count=len(again), first=tuple(first))

    def lengths(self) -> tuple[LengthBucket, ...]:
        """The histogram of lengths."""
        limits = (*LENGTH_BUCKETS, None)
        return tuple(LengthBucket(up_to=limit, rows=n) for limit, n in zip(limits, self._lengths, strict=True))

    def longest_batch_tokens(self, stage: StageSpec) -> int:
        """Tokens of the micro-batch with the longest row, to whose length the others are padded."""
        return min(stage.batch_size, self.rows) * self.longest


def place(origin: str) -> RowPlace:
    """Where a row stands, from the name that messages give it."""
    source, number = split(origin)
    return RowPlace(source=source, row=number)


def split(origin: str) -> tuple[str, int]:
    """The source and the number of the row that messages call so."""
    source, _, number = origin.rpartition(", row ")
    return source, int(number)
