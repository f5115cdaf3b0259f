"""How many requests and tokens a minute a key, and all keys of a project, may use: token buckets, in memory.

Each process counts for itself, and from nothing when it starts.  A bucket holds a minute's worth and fills evenly.  How
many tokens an answer takes is known at its end, so it may take more than there are: what is missing is waited for.
"""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from core.errors import RateLimited

MINUTE_S = 60.0


@dataclass(frozen=True, slots=True)
class RateLimit:
    """Per minute, and at least 1; None is no limit.  `of` is what shares it, as `key key-…` or `project team-a`."""

    of: str
    requests: int | None
    tokens: int | None


class _Bucket:
    def __init__(self, per_minute: int, now_s: float) -> None:
        self.per_minute, self.level, self._at_s = per_minute, float(per_minute), now_s

    def fill(self, per_minute: int, now_s: float) -> None:
        """What has come since the last look; the limit may have changed meanwhile."""
        came = (now_s - self._at_s) / MINUTE_S * per_minute
        self.per_minute, self.level, self._at_s = per_minute, min(self.level + came, float(per_minute)), now_s

    def wait_s(self, wanted: float) -> float:
        """Until it holds so much."""
        return max(0.0, wanted - self.level) / self.per_minute * MINUTE_S


class Standing(NamedTuple):
    """What is left of the tightest limit of a kind."""

    limit: int
    remaining: int
    reset_s: float


class RateLimits:
    """The buckets of one process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    def admit(self, limits: Iterable[RateLimit]) -> None:
        """Take a request out of every bucket, or none and RateLimited."""
        taken = []
        for limit, kind, per_minute in _each(limits):
            bucket = self._bucket(limit.of, kind, per_minute)
            if bucket.level < 1:
                raise _refusal(limit.of, kind, per_minute, bucket.wait_s(1))
            if kind == "requests":
                taken.append(bucket)
        for bucket in taken:
            bucket.level -= 1

    def spend(self, limits: Iterable[RateLimit], tokens: int) -> None:
        """An answer took so many tokens."""
        for limit, kind, per_minute in _each(limits):
            if kind == "tokens":
                self._bucket(limit.of, kind, per_minute).level -= tokens

    def headers(self, limits: Iterable[RateLimit]) -> list[tuple[bytes, bytes]]:
        """OpenAI's `x-ratelimit-*`, of the tightest limit of each kind."""
        found: dict[str, Standing] = {}
        for limit, kind, per_minute in _each(limits):
            bucket = self._bucket(limit.of, kind, per_minute)
            standing = Standing(per_minute, max(0, math.floor(bucket.level)), bucket.wait_s(per_minute))
            if kind not in found or standing.remaining < found[kind].remaining:
                found[kind] = standing
        return [
            (f"x-ratelimit-{name}-{kind}".encode(), value.encode())
            for kind, at in found.items()
            for name, value in (
                ("limit", str(at.limit)),
                ("remaining", str(at.remaining)),
                ("reset", f"{math.ceil(at.reset_s * 1000)}ms" if at.reset_s < 1 else f"{math.ceil(at.reset_s)}s"),
            )
        ]

    def _bucket(self, of: str, kind: str, per_minute: int) -> _Bucket:
        now_s = self._clock()
        bucket = self._buckets.get((of, kind))
        if bucket is None:
            bucket = self._buckets[of, kind] = _Bucket(per_minute, now_s)
        bucket.fill(per_minute, now_s)
        return bucket


def _each(limits: Iterable[RateLimit]) -> Iterable[tuple[RateLimit, str, int]]:
    for limit in limits:
        if limit.requests is not None:
            yield limit, "requests", limit.requests
        if limit.tokens is not None:
            yield limit, "tokens", limit.tokens


def _refusal(of: str, kind: str, per_minute: int, wait_s: float) -> RateLimited:
    seconds = max(1, math.ceil(wait_s))
    return RateLimited(
        f"{of} has used up its {per_minute:,} {kind} a minute: send the request again in {seconds} s, or have the "
        "limit raised",
        seconds,
    )
