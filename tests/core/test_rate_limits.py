"""Token buckets: a minute's worth at once, then as fast as it comes back; shared by all keys of a project."""

import pytest

from core.errors import RateLimited
from core.rate_limits import RateLimit, RateLimits

KEY = RateLimit("key key-1", requests=2, tokens=None)
PROJECT = RateLimit("project a", requests=3, tokens=600)


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rates(clock: Clock) -> RateLimits:
    return RateLimits(clock)


def refusal(rates: RateLimits, *limits: RateLimit) -> RateLimited:
    with pytest.raises(RateLimited) as refused:
        rates.admit(limits)
    return refused.value


def test_a_minutes_requests_may_come_at_once_and_the_next_when_one_is_back(rates: RateLimits, clock: Clock) -> None:
    rates.admit([KEY])
    rates.admit([KEY])
    refused = refusal(rates, KEY)
    assert refused.retry_after_s == 30
    assert "key key-1 has used up its 2 requests a minute" in refused.message
    clock.now_s += 29
    assert refusal(rates, KEY).retry_after_s == 1
    clock.now_s += 1
    rates.admit([KEY])


def test_no_more_than_a_minutes_worth_is_saved_up(rates: RateLimits, clock: Clock) -> None:
    rates.admit([KEY])
    clock.now_s += 3600
    rates.admit([KEY])
    rates.admit([KEY])
    refusal(rates, KEY)


def test_what_one_limit_refuses_is_not_taken_from_the_other(rates: RateLimits) -> None:
    rates.admit([KEY, PROJECT])
    rates.admit([KEY, PROJECT])
    for _ in range(5):
        refusal(rates, KEY, PROJECT)
    rates.admit([PROJECT])
    assert "project a" in refusal(rates, PROJECT).message


def test_an_answer_may_take_more_tokens_than_there_are_and_the_rest_is_waited_for(
    rates: RateLimits, clock: Clock
) -> None:
    rates.admit([PROJECT])
    rates.spend([PROJECT], 700)
    refused = refusal(rates, PROJECT)
    assert "600 tokens a minute" in refused.message
    assert refused.retry_after_s == 11  # 101 of 600 tokens
    clock.now_s += 10.2
    rates.admit([PROJECT])


def test_a_limit_that_was_changed_holds_at_once(rates: RateLimits, clock: Clock) -> None:
    rates.admit([RateLimit("key key-1", 100, None)])
    rates.admit([KEY])
    rates.admit([KEY])
    refusal(rates, KEY)
    clock.now_s += 6
    rates.admit([RateLimit("key key-1", 10, None)])


def test_headers_tell_of_the_tightest_limit_of_each_kind(rates: RateLimits, clock: Clock) -> None:
    rates.admit([KEY, PROJECT])
    assert dict(rates.headers([KEY, PROJECT])) == {
        b"x-ratelimit-limit-requests": b"2",
        b"x-ratelimit-remaining-requests": b"1",
        b"x-ratelimit-reset-requests": b"30s",
        b"x-ratelimit-limit-tokens": b"600",
        b"x-ratelimit-remaining-tokens": b"600",
        b"x-ratelimit-reset-tokens": b"0ms",
    }
    assert rates.headers([]) == []
