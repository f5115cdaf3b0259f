"""A new model tried on a share of an alias's requests, and the rules by which it then takes all of them or none."""

import logging
import random
import time
from collections import deque
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from core.spec import SplitSpec
from inference.calls import faults
from inference.routes import Target

log = logging.getLogger(__name__)
ENOUGH = 3
"""So many errors, or bad calls, before they count for anything: one may be anybody's."""
ENOUGH_TIMES = 20
"""Times to a first token on each side, before their medians are compared."""
KEPT_TIMES = 1000
KEPT_FAULTS = 5


@dataclass(frozen=True)
class Verdict:
    """How the trial ended."""

    accepted: bool
    reason: str


@dataclass
class Arm:
    """What was seen of one of the two models."""

    requests: int = 0
    errors: int = 0
    checked: int = 0
    bad_calls: int = 0
    first_token_s: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT_TIMES))
    faults: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_FAULTS))

    @property
    def error_rate(self) -> float:
        """Share of the answers that were the server's errors."""
        return self.errors / self.requests if self.requests else 0.0

    def shown(self) -> dict[str, Any]:
        """For the deployment's row."""
        return {
            "requests": self.requests,
            "errors": self.errors,
            "first_token_s": round(median(self.first_token_s), 4) if self.first_token_s else None,
            "checked": self.checked,
            "bad_calls": self.bad_calls,
            "faults": list(self.faults),
        }


class Trial:
    """`old` and `new` answer under one alias; every answer is counted, some are looked into."""

    def __init__(self, alias: str, old: Target, new: Target, rules: SplitSpec) -> None:
        self.alias, self.old, self.new, self.rules = alias, old, new, rules
        self._arms = {old: Arm(), new: Arm()}
        self._began_s = time.monotonic()

    def pick(self) -> Target:
        """The model that the next request goes to."""
        return self.new if random.random() * 100 < self.rules.percent else self.old

    def wants(self, target: Target, offers_tools: bool) -> bool:
        """Whether this answer is to be kept and given to `check`."""
        return offers_tools and target == self.new and random.random() < self.rules.check_share

    def record(self, target: Target, is_error: bool, first_token_s: float | None) -> None:
        """Count an answer; an error is one that the server is to blame for."""
        arm = self._arms[target]
        arm.requests += 1
        arm.errors += is_error
        if first_token_s is not None:
            arm.first_token_s.append(first_token_s)

    def check(self, target: Target, request: bytes, answer: bytes) -> None:
        """Look into the function calls of an answer: one JSON body, or the events of a stream."""
        try:
            found = faults(request, answer)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("trial.unread model=%s error=%r", target.model_id, error)
            return
        arm = self._arms[target]
        arm.checked += 1
        if found:
            arm.bad_calls += 1
            arm.faults.append(found[0])

    def verdict(self) -> Verdict | None:
        """None while it is open.  A broken rule ends it at once, but for latency, which needs all the answers."""
        new, elapsed_s = self._arms[self.new], time.monotonic() - self._began_s
        if (broken := self._errors() or self._bad_calls()) is not None:
            return Verdict(False, broken)
        if new.requests < self.rules.min_requests and elapsed_s < self.rules.max_s:
            return None
        if (slow := self._latency()) is not None:
            return Verdict(False, slow)
        return Verdict(True, f"no rule was broken in {new.requests} answers within {elapsed_s:.0f} s")

    def shown(self) -> dict[str, Any]:
        """For the deployment's row: what was seen so far."""
        old, new = self._arms[self.old], self._arms[self.new]
        return {
            "percent": self.rules.percent,
            "elapsed_s": round(time.monotonic() - self._began_s, 1),
            "old": {"model": self.old.model_id, **old.shown()},
            "new": {"model": self.new.model_id, **new.shown()},
        }

    def _errors(self) -> str | None:
        old, new = self._arms[self.old], self._arms[self.new]
        if new.errors < ENOUGH or new.error_rate - old.error_rate <= self.rules.max_error_rate:
            return None
        return (
            f"{new.errors} of its {new.requests} answers were errors ({new.error_rate:.1%}; the old model's: "
            f"{old.error_rate:.1%}), more than max_error_rate {self.rules.max_error_rate:.1%} above"
        )

    def _bad_calls(self) -> str | None:
        new = self._arms[self.new]
        if new.bad_calls < ENOUGH or new.bad_calls <= self.rules.max_bad_calls * new.checked:
            return None
        return (
            f"{new.bad_calls} of {new.checked} answers looked into had bad calls ({'; '.join(new.faults)}), "
            f"more than max_bad_calls {self.rules.max_bad_calls:.1%}"
        )

    def _latency(self) -> str | None:
        old, new = (self._arms[target].first_token_s for target in (self.old, self.new))
        if min(len(old), len(new)) < ENOUGH_TIMES:
            return None
        ratio = median(new) / max(median(old), 1e-6)
        if ratio <= self.rules.max_latency_ratio:
            return None
        return (
            f"its median time to first token was {median(new):.3f} s, {ratio:.2f} times that of the old model, "
            f"more than max_latency_ratio {self.rules.max_latency_ratio:g}"
        )
