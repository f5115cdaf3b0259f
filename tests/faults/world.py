"""What the mass run and the directed cases work in: a running system, and the undisturbed result of each variant."""

import itertools
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psutil
from sqlalchemy import select
from sqlalchemy.orm import Session

from core import jobs
from core.models import Job, Run
from core.states import FINAL
from tests.faults.census import Program
from tests.faults.evidence import JobResult, read_result, reported_steps
from tests.faults.system import PATIENCE_S, FaultySystem
from tests.faults.verdict import Hit, Promise, Verdict, judge
from tests.faults.workload import VARIANTS, write_rows
from tests.waiting import wait_until

Say = Callable[[str], None]


@dataclass(frozen=True)
class Training:
    """A job whose trainer is at work, and the processes around it."""

    job_id: str
    trainer: psutil.Process
    child: psutil.Process
    main: psutil.Process


@dataclass
class World:
    """One system and what is known of it."""

    system: FaultySystem
    say: Say
    references: dict[str, JobResult] = field(default_factory=dict)
    hits: list[Hit] = field(default_factory=list)

    def __post_init__(self) -> None:
        write_rows(self.system.data_root)

    def prepare(self, variants: Sequence[str]) -> None:
        """Run each variant once, undisturbed, unless that was done."""
        for variant in variants:
            if variant not in self.references:
                began = time.monotonic()
                job_id = self.submit(variant)
                self.system.wait_for(job_id, "succeeded")
                assert len(self.runs(job_id)) == 1, f"the reference job {job_id} was disturbed"
                self.references[variant] = self.result(job_id)
                self.say(f"reference {variant}: {time.monotonic() - began:.1f} s")

    def submit(self, variant: str, spec: dict[str, Any] | None = None) -> str:
        """Post a job of the variant."""
        return self.system.submit(spec or VARIANTS[variant], key=uuid.uuid4().hex)

    def result(self, job_id: str) -> JobResult:
        """What the job left behind."""
        found: JobResult = self.system.rows(lambda session: read_result(session, self.system.storage, job_id))
        return found

    def verdict(self, job_id: str, variant: str) -> Verdict:
        """The verdict on one job that has ended."""
        self.prepare([variant])
        storage, promise = self.system.storage, Promise(job_id, variant)
        found: Verdict = self.system.rows(lambda session: judge(session, storage, [promise], self.references))
        return found

    def hit(self, fault: str, programs: Sequence[Program], at_s: float | None = None) -> None:
        """Note the trainers that a fault hit, at this moment or at `at_s` (Unix time)."""
        self.hits += [Hit(program.job_id, at_s or time.time(), fault) for program in programs]

    def wait_for_training(self, job_id: str, step: int = 2, deadline_s: float = PATIENCE_S) -> Training:
        """Wait until the job's trainer runs and has reported the step."""
        folder, looks = self.system.storage / "jobs" / job_id, itertools.count()

        def at_work() -> Training | None:
            if next(looks) % 20 == 19:  # files are cheap to read; a row is not, ten times a second
                job = self.system.job(job_id)
                assert job.status not in FINAL, f"job {job_id} {job.status} before a fault could hit it: {job.error}"
            return self.training(job_id) if reported_steps(folder) >= step else None

        found = wait_until(at_work, deadline_s, every_s=0.1)
        assert found is not None
        return found

    def training(self, job_id: str, besides: int | None = None) -> Training | None:
        """The job's trainer, one with another pid than `besides`, if it runs."""
        trainers = self.system.census().trainers()
        trainer = next((t.process for t in trainers if t.job_id == job_id and t.process.pid != besides), None)
        try:
            child = trainer.parent() if trainer else None
            main = child.parent() if child else None
        except psutil.NoSuchProcess:
            return None
        return Training(job_id, trainer, child, main) if trainer and child and main else None

    def start_afresh(self) -> None:
        """Start every process again and cancel every job, so that a failed case spoils no other one."""
        self.system.kill_launcher()  # nothing to kill is fine: the launcher itself may be what broke
        self.system.start()

        def cancel_all(session: Session) -> None:
            for job_id in session.scalars(select(Job.id).where(Job.status.not_in(FINAL))):
                jobs.cancel(session, job_id)

        self.system.rows(cancel_all)

    def runs(self, job_id: str) -> list[Run]:
        """Every attempt at the job, the first one first."""

        query = select(Run).where(Run.job_id == job_id).order_by(Run.attempt)
        return list(self.system.rows(lambda session: session.scalars(query).all()))

    def programs_of(self, job_id: str) -> list[Program]:
        """The stage programs that run for the job."""
        return [program for program in self.system.census().programs() if program.job_id == job_id]
