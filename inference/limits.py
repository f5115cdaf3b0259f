"""What the gateway lets in: so many requests at a time, and bodies, tokens and choices up to a limit."""

import math
import re
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType

from core.errors import BodyTooLarge, InvalidRequest, TooManyRequests
from inference.asked import Asked
from inference.connection import Call

REMEMBERED = 64
UNKNOWN_RETRY_S = 5
LONGEST_RETRY_S = 60


class Admission:
    """The places for requests, whether they wait or are answered; `with admission:` takes one, or TooManyRequests.

    Nobody queues here: a request over the limit is told when to come back.  Each such answer promises the next place
    that should be free, as fast as the last 64 requests ended, so those who were sent away do not all come at once.
    """

    def __init__(self, max_requests: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.held = 0
        self._max_requests = max_requests
        self._clock = clock
        self._ends_s: deque[float] = deque(maxlen=REMEMBERED)
        self._promised_s = 0.0

    def __enter__(self) -> None:
        if self.held >= self._max_requests:
            seconds = self._retry_after_s()
            raise TooManyRequests(
                f"{self.held} requests are here already: send it again in {seconds} s, or raise TUNESMITH_MAX_REQUESTS",
                seconds,
            )
        self.held += 1

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.held -= 1
        self._ends_s.append(self._clock())

    def _retry_after_s(self) -> int:
        now_s = self._clock()
        if len(self._ends_s) < 2:
            return UNKNOWN_RETRY_S
        # Up to now and not to the last end: when answers stop ending, the wait grows.
        seconds_each = (now_s - self._ends_s[0]) / len(self._ends_s)
        self._promised_s = min(max(self._promised_s, now_s) + seconds_each, now_s + LONGEST_RETRY_S)
        return max(1, math.ceil(self._promised_s - now_s))


class Limits:
    """What one request may ask for; None is no limit."""

    def __init__(self, max_body_bytes: int, max_answer_tokens: int | None, max_choices: int | None) -> None:
        self._max_body_bytes = max_body_bytes
        tokens = (max_answer_tokens, "TUNESMITH_MAX_ANSWER_TOKENS")
        choices = (max_choices, "TUNESMITH_MAX_CHOICES")
        every = {"max_tokens": tokens, "max_completion_tokens": tokens, "n": choices, "best_of": choices}
        self._most = {name: (most, setting) for name, (most, setting) in every.items() if most is not None}
        self._numbers = re.compile(rb'"(%b)"\s*:\s*(\d+(?=\s*[,}]))?' % "|".join(self._most).encode())

    def check(self, asked: Asked) -> None:
        """InvalidRequest when it asks for more tokens or choices."""
        if not self._most or self._surely_within(asked.body):
            return
        for name, (most, setting) in self._most.items():
            number = asked.number(name)
            if number is not None and number > most:
                raise InvalidRequest(f"{name} is {number}: at most {most} here, unless {setting} is raised", param=name)

    def _surely_within(self, body: bytes) -> bool:
        """Whether no such key, wherever it is, has more than a small number: that is found without parsing."""
        if b"\\u00" in body:
            return False
        for name, number in self._numbers.findall(body):
            if not number or int(number[:20]) > self._most[name.decode()][0]:
                return False
        return True

    async def read_body(self, call: Call, declared: bytes) -> bytes:
        """The whole body; BodyTooLarge at its Content-Length, or at the first byte over the limit."""
        if declared.isdigit() and int(declared) > self._max_body_bytes:
            raise self._too_large()
        body = await call.read(self._max_body_bytes)
        if len(body) > self._max_body_bytes:
            raise self._too_large()
        return body

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(
            f"the body is larger than {self._max_body_bytes} bytes: send less, or raise TUNESMITH_MAX_BODY_BYTES"
        )
