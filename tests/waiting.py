"""Waiting on a condition with a deadline: the only way a test may let time pass."""

from bench.waiting import wait_until

__all__ = ["wait_until"]
