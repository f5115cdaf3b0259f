"""Bringing what stage programs report into Postgres, at most once a second."""

import time
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy.orm import Session

from core import events, runs
from core.errors import GateFailed
from core.health import Finding, HealthWatch, Step
from core.spec import StageSpec
from core.verdict import Verdict
from worker.lease import LeaseKeeper

_METRIC_FIELDS = ("step", "epoch", "loss", "grad_norm", "learning_rate", "tokens", "tokens_per_s", "step_s")
_PROGRESS_FIELDS = ("step", "max_steps", "loss", "tokens_per_s", "eta_s", "done", "total", "unit")
_EVERY_S = 1.0


class Reporter:
    """Writes events, metrics and progress of one run; the training of `stages` is judged as it goes."""

    def __init__(self, keeper: LeaseKeeper, stages: Iterable[StageSpec] = ()) -> None:
        self.keeper, self.lease = keeper, keeper.lease
        self.stages = {stage.name: stage for stage in stages}
        self.watches: dict[str, HealthWatch] = {}
        self.metrics: dict[tuple[str, int], dict[str, Any]] = {}
        self.progress: dict[str, Any] | None = None
        self.flushed_at = 0.0

    def event(self, type_: str, message: str, data: dict[str, Any] | None = None) -> None:
        """Append one event to the job."""

        def add(session: Session) -> None:
            runs.hold(session, self.lease)
            events.add_event(session, self.lease.job_id, type_, message, self.lease.attempt, data=data)

        self.keeper.write(add)

    def gate_failed(self, what: str, verdict: Verdict) -> GateFailed:
        """Tell that a model's gate failed, and return the error with which the job ends."""
        error = GateFailed(f"{what}: {'; '.join(verdict.failures)}")
        self.event("gate.failed", error.message, verdict.model_dump(mode="json"))
        return error

    def for_program(self, stage: str, program: str) -> Callable[[list[dict[str, Any]]], None]:
        """A function that takes the new events of a running program; call it often, with none too."""

        def receive(events: list[dict[str, Any]]) -> None:
            for event in events:
                self._receive(stage, program, event)
            if time.monotonic() - self.flushed_at > _EVERY_S:
                self.flush()

        return receive

    def flush(self) -> None:
        """Write what has gathered, if anything has."""
        if self.metrics or self.progress:
            progress, metrics = self.progress, list(self.metrics.values())
            self.keeper.write(lambda session: runs.record_progress(session, self.lease, progress, metrics))
        self.metrics, self.progress, self.flushed_at = {}, None, time.monotonic()

    def _receive(self, stage: str, program: str, event: dict[str, Any]) -> None:
        match event["type"]:
            case "step":
                # A step that was repeated after a resume counts once, as it went the last time.
                self.metrics[stage, event["step"]] = {"stage": stage, **{key: event[key] for key in _METRIC_FIELDS}}
                self.progress = self._progress(stage, program, event)
                self._judge(stage, event)
            case "progress":
                self.progress = self._progress(stage, program, event)
            case "device":
                device = {key: value for key, value in event.items() if key not in ("type", "at")}
                self.keeper.write(lambda session: runs.record_device(session, self.lease, device))
            case "checkpoint.skipped":
                message = f"The checkpoint of {stage} at step {event['step']} is not used: {event['why']}"
                self.event(
                    "checkpoint.skipped", message, {"stage": stage, "step": event["step"], "path": event["path"]}
                )
            case "canary.skipped":
                self.event("canary.skipped", f"{stage} is deployed without a canary: {event['why']}", {"stage": stage})
            case "judge.failed":
                self.event("evaluation.judge_failed", f"{stage} is not judged: {event['why']}", {"stage": stage})
            case "speed.skipped":
                self.event("evaluation.speed_skipped", f"{stage} has no speed: {event['why']}", {"stage": stage})
            case "checkpoint":
                self.keeper.write(lambda session: runs.record_checkpoint(session, self.lease, stage, event["step"]))
            case "train_begin" if event["step"]:
                self.event("run.resumed", f"Resumed {stage} at step {event['step']} of {event['max_steps']}")

    def training_ended(self, stage: str) -> None:
        """Tell the verdict on the stage's training."""
        if (watch := self.watches.get(stage)) is not None:
            health = watch.health()
            self.keeper.write(lambda session: runs.record_health(session, self.lease, health))

    def _judge(self, stage: str, event: dict[str, Any]) -> None:
        """Let the rules see a step.  They see the steps of earlier runs again first, as these are reported again."""
        if stage not in self.watches and stage in self.stages:
            self.watches[stage] = HealthWatch(self.stages[stage], event["max_steps"])
        if (watch := self.watches.get(stage)) is not None:
            for finding in watch.see(Step.model_validate(event)):
                if finding.level == "warning":
                    self._unhealthy(stage, finding)

    def _unhealthy(self, stage: str, finding: Finding) -> None:
        self.keeper.write(lambda session: runs.record_finding(session, self.lease, stage, finding))

    @staticmethod
    def _progress(stage: str, program: str, event: dict[str, Any]) -> dict[str, Any]:
        known = {key: event[key] for key in _PROGRESS_FIELDS if key in event}
        return {"stage": stage, "program": program, **known}
