"""The last rows of a source, held out of training so that a model can be measured on what it has not seen."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def without_last(rows: Iterable[T], count: int) -> Iterator[T]:
    """All but the last `count`; so many are in memory at a time."""
    waiting: deque[T] = deque()
    for row in rows:
        waiting.append(row)
        if len(waiting) > count:
            yield waiting.popleft()


def last(rows: Iterable[T], count: int) -> list[T]:
    """The last `count`."""
    return list(deque(rows, maxlen=count))
