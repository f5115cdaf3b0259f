"""The gate of a stage's model, as a run carries it out: measured beside what is live, judged, then live or turned down.

Whatever a run that was broken off has found out is not done again: scores are on disk, and the verdict with the model.
"""

from typing import Protocol

from sqlalchemy.orm import Session

from core import gate_rows, pairing, runs
from core.gate import LiveComparison, judge
from core.model_registry import gate_of, record_gate
from core.models import Deployment, Evaluation
from core.spec import ConditionsSpec, DeploySpec, JobSpec
from core.states import DeploymentStatus, JobStatus
from core.verdict import Verdict
from worker.lease import LeaseKeeper
from worker.live import LiveModel, NoRoom, described
from worker.report import Reporter

OF_THE_MERGE = "merge"
"""What the names of the conditions begin with that are looked into before a gate is."""


class Steps(Protocol):
    """What a run does for its models, gate or none."""

    def move(self, status: JobStatus, stage: str) -> None: ...

    def was_measured(self, stage: str) -> bool: ...

    def measure_served(self, stage: str, model_id: str) -> None:
        """Measure the model, which the endpoint serves by now, unless that was done."""
        ...

    def measure_live(self, stage: str, model_id: str) -> None:
        """Measure what is live on the job's suites, while the job is at this stage."""
        ...


class Gating:
    """The gate of one job's models."""

    def __init__(self, spec: JobSpec, keeper: LeaseKeeper, reporter: Reporter, live: LiveModel, steps: Steps) -> None:
        self.spec, self.keeper, self.lease = spec, keeper, keeper.lease
        self.reporter, self.live, self.steps = reporter, live, steps

    def measure(self, stage: str, model_id: str, how: DeploySpec) -> None:
        """Measure a stage's model, and make it live if it has conditions of its own and holds them; else GateFailed."""
        conditions, verdict = self._conditions(stage), self._judged(model_id)
        deployment: Deployment | None = None
        if verdict is None:
            live_id = self.keeper.write(lambda session: gate_rows.live_beside(session, self.live.alias, model_id))
            if not self.steps.was_measured(stage):
                if conditions is not None and conditions.no_regression and live_id is not None:
                    self._measure_live_if_new(stage, live_id)
                deployment = self._take_in(stage, model_id, how, is_gated=conditions is not None)
                if deployment is None:
                    return
            self.steps.measure_served(stage, model_id)
            if conditions is None:
                self._let_go(deployment)
                return
            verdict = self._judge(stage, model_id, conditions, live_id, deployment)
        self._act(stage, model_id, how, verdict, deployment)

    def _conditions(self, stage: str) -> ConditionsSpec | None:
        """What must hold for the stage's model; None for one that is measured only."""
        gate = self.spec.deploy.gate
        assert gate is not None
        return gate if stage == self.spec.stages[-1].name else gate.stages.get(stage)

    def _judged(self, model_id: str) -> Verdict | None:
        """The verdict that an earlier run came to: a retry that has changed nothing ends as that one did."""
        found = self.keeper.write(lambda session: gate_of(session, model_id))
        is_judged = found is not None and any(not each.name.startswith(OF_THE_MERGE) for each in found.conditions)
        return found if is_judged else None

    def _measure_live_if_new(self, stage: str, live_id: str) -> None:
        """While it is still live for certain."""
        if self.keeper.write(lambda session: gate_rows.newest_evaluation(session, live_id)) is None:
            self.steps.measure_live(stage, live_id)

    def _take_in(self, stage: str, model_id: str, how: DeploySpec, *, is_gated: bool) -> Deployment | None:
        """Have the model served; None for one that is to be measured only, where there is no room for it."""
        self.steps.move(JobStatus.DEPLOYING, stage)
        try:
            deployment = self.live.take_in(model_id, how, "if_room" if is_gated else "always")
        except NoRoom as error:
            self.reporter.event("evaluation.skipped", f"{model_id} is not measured: {error.message}")
            return None
        if deployment.status == DeploymentStatus.CANDIDATE:
            message = f"{model_id} is measured beside what is live"
            self.reporter.event("deployment.candidate", message, described(deployment))
        else:
            message = f"{model_id} is live before it is measured: {deployment.reason}"
            self.reporter.event("deployment.live", message, described(deployment))
        return deployment

    def _let_go(self, deployment: Deployment | None) -> None:
        if deployment is not None:
            self.live.let_go(deployment.id)

    def _judge(
        self,
        stage: str,
        model_id: str,
        conditions: ConditionsSpec,
        live_id: str | None,
        deployment: Deployment | None,
    ) -> Verdict:
        """Judge by what is stored, keep the verdict with the model, and tell it."""
        live: LiveComparison | None = None
        if conditions.no_regression:
            live = self._compare(stage, live_id)
            is_beside = deployment is None or deployment.status == DeploymentStatus.CANDIDATE
            if live_id is not None and not live.suites and is_beside:
                self.steps.measure_live(stage, live_id)
                live = self._compare(stage, live_id)

        def decide(session: Session) -> Verdict:
            runs.hold(session, self.lease)
            scores = session.get_one(Evaluation, (self.lease.job_id, stage)).scores
            found = judge(conditions, scores, before=self.spec.stage_before(stage), live=live)
            known = gate_of(session, model_id)
            verdict = Verdict.of([*(known.conditions if known else ()), *found.conditions])
            record_gate(session, model_id, verdict)
            return verdict

        verdict = self.keeper.write(decide)
        if verdict.passed:
            message = f"{model_id} holds what its gate asks for"
            self.reporter.event("gate.passed", message, verdict.model_dump(mode="json"))
        return verdict

    def _compare(self, stage: str, live_id: str | None) -> LiveComparison:
        newer = pairing.of_stage(self.lease.job_id, stage)
        return self.keeper.write(lambda session: gate_rows.compare_with_live(session, live_id, newer))

    def _act(self, stage: str, model_id: str, how: DeploySpec, verdict: Verdict, deployment: Deployment | None) -> None:
        """Let the model be live, or see to it that it is not."""
        deployment = deployment or self.live.own(model_id)
        is_live = deployment is not None and deployment.status == DeploymentStatus.LIVE
        if not verdict.passed:
            failure = self.reporter.gate_failed(f"{model_id} does not go live", verdict)
            if deployment is not None and (back := self.live.turn_down(deployment.id, verdict, failure.message)):
                self.reporter.event("deployment.rolled_back", f"{back} is live again")
            raise failure
        if is_live or self.live.replaced_by(model_id) is not None:
            return
        self.steps.move(JobStatus.DEPLOYING, stage)
        if deployment is None:
            done = self.live.deploy(model_id, how, verdict)
        else:
            self.live.accept(deployment.id, verdict)
            done = self.live.until_live(deployment.id, how)
        self.reporter.event("deployment.live", f"{model_id} is live", done)
