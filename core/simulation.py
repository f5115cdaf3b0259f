"""The queue played through as claims would take it: in which order its jobs start, and after how long.

As in `core.claims`, but for its turns for the most patient: priority, fair share, age; the projects' limits, the
workers' memory, and the waits after a failure.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

UNKNOWN_S = 1e9
"""Work of unknown length is played as so long, 30 years: what comes after it has a rank, but no time."""


@dataclass(frozen=True)
class Waiting:
    """A queued job; `not_before_s` is from now."""

    job_id: str
    project: str
    priority: int
    memory_bytes: int
    work_s: float | None
    not_before_s: float = 0.0


@dataclass
class Seat:
    """A worker, and when it is free."""

    memory_bytes: float
    free_s: float


@dataclass(frozen=True)
class Work:
    """A job at work, and when it ends."""

    project: str
    until_s: float


@dataclass(frozen=True)
class Share:
    """A project's part of the workers: its limits, what is left of its budget, and its place in the line."""

    weight: float = 1.0
    max_running: int | None = None
    left_s: float = math.inf
    turn: int = 0


class _Line:
    """One project during the play: its jobs in the queue, and those at work since and until when."""

    def __init__(self, share: Share, queue: list[Waiting], until_s: list[float]) -> None:
        self.share, self.queue, self.turn = share, queue, share.turn
        self.work = [(0.0, end_s) for end_s in until_s]
        self.spent_s = 0.0

    def end_work(self, now_s: float) -> None:
        """Leave only what is still at work."""
        self.spent_s += sum(end_s - begun_s for begun_s, end_s in self.work if end_s <= now_s)
        self.work = [(begun_s, end_s) for begun_s, end_s in self.work if end_s > now_s]

    def head(self, now_s: float, memory_bytes: float) -> Waiting | None:
        """The job that a worker of this memory would get now; None when there is none or a limit is reached.

        Behind work of unknown length nobody knows how much of a budget is left, so that it is not asked.
        """
        spent_s = self.spent_s + sum(now_s - begun_s for begun_s, _ in self.work)
        if self.share.max_running is not None and len(self.work) >= self.share.max_running:
            return None
        if now_s < UNKNOWN_S and spent_s >= self.share.left_s:
            return None
        fitting = (one for one in self.queue if one.memory_bytes <= memory_bytes and one.not_before_s <= now_s)
        return next(fitting, None)

    def next_change_s(self, now_s: float, memory_bytes: float) -> float:
        """When a worker of this memory, which now gets nothing, might get something; infinity for never."""
        moments = [one.not_before_s for one in self.queue if one.memory_bytes <= memory_bytes]
        if moments and self.share.max_running is not None:
            moments += [end_s for _, end_s in self.work]
        return min((moment for moment in moments if moment > now_s), default=math.inf)


def play(
    queue: Sequence[Waiting], seats: Sequence[Seat], at_work: Sequence[Work], shares: Mapping[str, Share]
) -> dict[str, float]:
    """Seconds until each job of the queue starts, in the order of the starts; UNKNOWN_S or more is not known.

    The queue is in the order of priority, then age.  Jobs that never start are left out.
    """
    age = {one.job_id: number for number, one in enumerate(queue)}
    lines = _lines(queue, at_work, shares)
    free, turns = [replace(seat) for seat in seats], count(max((line.turn for line in lines), default=0) + 1)
    found: dict[str, float] = {}
    while free and len(found) < len(queue):
        seat = min(free, key=lambda one: (one.free_s, one.memory_bytes))
        now_s = seat.free_s
        for line in lines:
            line.end_work(now_s)
        heads = [(line, job) for line in lines if (job := line.head(now_s, seat.memory_bytes)) is not None]
        if not heads:
            seat.free_s = min((line.next_change_s(now_s, seat.memory_bytes) for line in lines), default=math.inf)
            if seat.free_s == math.inf:
                free.remove(seat)
            continue
        line, job = min(heads, key=lambda head: (*_rank(*head), age[head[1].job_id]))
        found[job.job_id] = now_s
        seat.free_s = now_s + (UNKNOWN_S if job.work_s is None else job.work_s)
        line.queue.remove(job)
        line.work.append((now_s, seat.free_s))
        line.turn = next(turns)
    return found


def _lines(queue: Sequence[Waiting], at_work: Sequence[Work], shares: Mapping[str, Share]) -> list[_Line]:
    names = dict.fromkeys(one.project for one in queue)
    return [
        _Line(
            shares.get(name, Share()),
            [one for one in queue if one.project == name],
            [work.until_s for work in at_work if work.project == name],
        )
        for name in names
    ]


def _rank(line: _Line, job: Waiting) -> tuple[int, float, int]:
    return -job.priority, len(line.work) / line.share.weight, line.turn
