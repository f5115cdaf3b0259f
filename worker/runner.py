"""One run of a job: prepare every stage, measure the base, then train, merge, deploy and measure stage by stage.

Whatever is on disk and in the rows already is not done again, so a run that takes over goes on where the last one
was stopped.  This is one of the process edges: every error ends the run with a state and a message.
"""

import hashlib
import json
import logging
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core import evaluations, jobs, runs
from core.base_model import check_base_id
from core.errors import LeaseLost, ServiceError, UpstreamFailed
from core.retention import stage_ended
from core.runs import Lease
from core.settings import get_settings
from core.spec import DeploySpec, JobSpec, StageSpec
from core.states import STOPPING, JobStatus
from core.storage import read_json, stage_dir, write_json
from core.verdict import Verdict
from worker import job_preflight, result_file
from worker.artefacts import Artefacts
from worker.gating import Gating
from worker.job_preflight import Prepared
from worker.lease import LeaseKeeper, Stopped
from worker.live import LiveModel
from worker.micro_batch import halved
from worker.parity import ParityBeforeTraining, recorded
from worker.program import ProgramFailed, run_program
from worker.report import Reporter
from worker.sharing import SharedGpu
from worker.stages.failures import is_out_of_space, out_of_space_message
from worker.stages.run_dir import Exit
from worker.stages.takeover import take_over

log = logging.getLogger(__name__)
PASSING = {
    Exit.RETRY,
    Exit.STOPPED,
    *(-sig for sig in (signal.SIGTERM, signal.SIGKILL, signal.SIGBUS, signal.SIGSEGV, signal.SIGABRT)),
}
"""Ends of a stage program that another try may mend: it said so, others stopped it (as a kernel short of memory), or a
driver or a native library fell over."""
END_PATIENCE_S = 2
"""A run that was asked to stop waits so long for Postgres to say how it ended; then its lease runs out."""
Ending = Callable[[Session], None]


def run_job(lease: Lease) -> None:
    """Run a claimed job to its end, or until the lease is lost or given back."""
    keeper = LeaseKeeper(lease)
    try:
        ending = _run(keeper)
        if ending is not None:
            keeper.write(ending, END_PATIENCE_S)
    except (LeaseLost, Stopped, SQLAlchemyError) as error:
        log.warning("run.abandoned job_id=%s: %s", lease.job_id, error)


def _run(keeper: LeaseKeeper) -> Ending | None:
    """Run the job.  None when that is written down as a success; else the write that ends the run, still to be made."""
    lease = keeper.lease
    try:
        job = keeper.write(lambda session: jobs.get(session, lease.job_id))
        JobRun(JobSpec.model_validate(job.spec), keeper, job.adjustments).run()
        keeper.write(lambda session: runs.finish(session, lease, JobStatus.SUCCEEDED))
    except LeaseLost:
        raise
    except Stopped as reason:
        return partial(runs.stopped, lease=lease, reason=str(reason))
    except ProgramFailed as failure:
        return _failed(lease, failure.code, failure.message, is_passing=failure.exit_code in PASSING)
    except UpstreamFailed as error:
        return _failed(lease, error.code, error.message, is_passing=True)
    except ServiceError as error:
        return _failed(lease, error.code, error.message)
    except Exception as error:
        log.exception("run.failed job_id=%s", lease.job_id)
        if is_out_of_space(error):
            return _failed(lease, "disk_full", out_of_space_message(error, get_settings().storage_path))
        return _failed(lease, "internal_error", f"{type(error).__name__}: {error}")
    return None


def _failed(lease: Lease, code: str, message: str, is_passing: bool = False) -> Ending:
    """The end of a run that failed; a passing fault leaves the job in the queue, a few times."""

    def end(session: Session) -> None:
        error = {"code": code, "message": message, "stage": runs.hold(session, lease).stage}
        if is_passing:
            runs.retry_later(session, lease, error, get_settings().max_failures)
        else:
            runs.finish(session, lease, JobStatus.FAILED, error)

    return end


class JobRun:
    """The steps of a run, in order."""

    def __init__(self, spec: JobSpec, keeper: LeaseKeeper, adjustments: dict[str, Any] | None = None) -> None:
        self.spec, self.keeper, self.lease = spec, keeper, keeper.lease
        self.reporter = Reporter(keeper, spec.stages)
        self.artefacts = Artefacts(self.lease.job_id, spec, adjustments, self.lease.project)
        self.live = LiveModel(keeper)
        self.parity = ParityBeforeTraining(keeper, self.reporter)
        self.gpu = SharedGpu(keeper, self.reporter)
        self.gating = Gating(spec, keeper, self.reporter, self.live, self)

    def run(self) -> None:
        """Everything the spec asks for."""
        self._fetch_base()
        self._prepare_all()
        if self.spec.evaluation.base and self.spec.deploy.when == "each_stage":
            self._measure_base()
        self._check_parity()
        for stage in self.spec.stages:
            self.move(JobStatus.TRAINING, stage.name)
            self.gpu.take()
            self._train(stage)
            self.move(JobStatus.MERGING, stage.name)
            self._program("merge", stage)
            self._verify(stage)
            stage_ended(stage_dir(self.lease.job_id, stage.name), self.spec.keep)
            last = stage is self.spec.stages[-1]
            if self.spec.deploy.when == "each_stage" or (last and self.spec.deploy.when == "last_stage"):
                self._measure(stage.name, self.artefacts.model_name(stage), self.spec.deploy)
            self.gpu.give_back()
        result_file.store(self.keeper)

    def _fetch_base(self) -> None:
        """Make the base model a folder of this machine; a hub model is downloaded once per job and machine."""
        if not self.spec.base_is_path:
            self._fetch_from_hub()
        check_base_id(self.spec.base_id, self.spec.base_model, self.artefacts.base_path)

    def _fetch_from_hub(self) -> None:
        folder = self._folder("base")
        fetched = folder / "fetch.json"
        if fetched.exists() and not Path(read_json(fetched)["path"]).is_dir():
            fetched.unlink()  # another machine's
        write_json(folder / "fetch.spec.json", {"name": self.spec.base_model, "revision": self.spec.base_revision})
        self.artefacts.base_path = Path(self._run("fetch", folder, "base", {})["path"])

    def _prepare_all(self) -> None:
        """Prepare every stage, and keep what that shows as the job's preflight; all problems are told at once."""
        problems: list[ProgramFailed] = []
        for stage in self.spec.stages:
            try:
                self._prepare(stage)
            except ProgramFailed as failure:
                if failure.exit_code != Exit.BAD_DATA:
                    raise
                problems.append(failure)
        if problems:
            first, messages = problems[0], dict.fromkeys(problem.message for problem in problems)
            raise ProgramFailed(first.exit_code, first.code, "; ".join(messages))
        self._store_preflight()

    def _store_preflight(self) -> None:
        folders = {stage.name: self._folder(stage.name) for stage in self.spec.stages}
        prepared = Prepared.read(folders, self.artefacts.base_path)
        if prepared is not None:
            self.keeper.write(lambda session: job_preflight.store(session, self.lease, self.spec, prepared))

    def _prepare(self, stage: StageSpec) -> None:
        self._write_spec(stage)
        counts = self._program("prepare", stage)
        self.keeper.write(
            lambda session: runs.record_plan(session, self.lease, stage.name, counts["rows"], counts["steps"])
        )

    def _write_spec(self, stage: StageSpec) -> None:
        spec = self.artefacts.stage_run(stage).model_dump(mode="json")
        write_json(self._folder(stage.name) / "spec.json", spec)

    def _train(self, stage: StageSpec) -> None:
        """Train; when memory does not suffice, go on with smaller micro-batches and the same rows per step."""
        while True:
            try:
                self._program("sft", stage)
                self.reporter.training_ended(stage.name)
                return
            except ProgramFailed as failure:
                if failure.exit_code != Exit.OUT_OF_MEMORY or not self._halve_micro_batch(stage):
                    raise

    def _halve_micro_batch(self, stage: StageSpec) -> bool:
        """Record the next smaller micro-batch of the stage, unless there is none."""
        now = self.artefacts.adjusted(stage)
        smaller = halved(now.batch_size, now.gradient_accumulation_steps)
        if smaller is None:
            return False
        message = (
            f"Out of memory: {stage.name} goes on with batch_size {smaller['batch_size']} instead of {now.batch_size} "
            f"and gradient_accumulation_steps {smaller['gradient_accumulation_steps']}, the same rows per step"
        )
        changes = dict(smaller)
        self.keeper.write(lambda session: runs.record_adjustment(session, self.lease, stage.name, changes, message))
        self.artefacts.adjustments[stage.name] = smaller
        self._write_spec(stage)
        return True

    def _verify(self, stage: StageSpec) -> None:
        """Register the merged model with what its check found; GateFailed unless it is what was trained."""
        found, parity = self._program("verify", stage), recorded(self._folder(stage.name))
        fidelity = Verdict.model_validate(found["fidelity"])
        canary = found["canary"]
        self.keeper.write(lambda session: self.artefacts.register(session, self.lease, stage, canary, parity, fidelity))
        if not fidelity.passed:
            model_id = self.artefacts.model_name(stage)
            raise self.reporter.gate_failed(f"{model_id} is not what was trained", fidelity)

    def _check_parity(self) -> None:
        """Whether the rows of stages yet to be trained are rendered as they will be served; else ParityMismatch."""
        folders = {stage.name: self._folder(stage.name) for stage in self.spec.stages}
        self.parity.check_all(folders, lambda: self.live.with_tokenizer_of(self.artefacts.base_id))

    def _measure_base(self) -> None:
        """Measure the base model before anything else, unless another model is live: users come first."""
        base_id = self.artefacts.base_id
        if not self.was_measured("base") and (other := self.live.other_than(base_id)) is not None:
            message = f"The base model is not measured: {other} is live and stays so until this job's own model"
            self.reporter.event("evaluation.skipped", message)
            return
        self.keeper.write(lambda session: self.artefacts.register_base(session, self.lease))
        # It is no adapter, and nothing is live that it could be tried against, or must not take the place of.
        plain = {"serve_as": "merged", "split": None, "gate": None}
        self._measure("base", base_id, self.spec.deploy.model_copy(update=plain))

    def _measure(self, stage: str, model_id: str, how: DeploySpec) -> None:
        """Make a model live and measure it, unless it has had its turn: it must not take the place of a newer one."""
        if how.gate is not None:
            self.gating.measure(stage, model_id, how)
        elif self.was_measured(stage):
            self._store_measured(stage, model_id)
        elif (newer := self.live.replaced_by(model_id)) is not None:
            message = f"{model_id} is not measured: it was live, and {newer} has taken its place"
            self.reporter.event("evaluation.skipped", message)
        else:
            self._deploy(stage, model_id, how)
            self.measure_served(stage, model_id)

    def measure_served(self, stage: str, model_id: str) -> None:
        """Measure the model, which the endpoint serves by now, unless that was done."""
        if self.was_measured(stage):
            self._store_measured(stage, model_id)
            return
        self._check_parity()  # of what has yet to be trained: now a model of the base is live
        self._evaluate(stage, model_id, stage)

    def measure_live(self, stage: str, model_id: str) -> None:
        """Measure what is live on the job's suites, in a folder of its own, for it may be another model later."""
        digest = hashlib.sha256(model_id.encode()).hexdigest()[:12]
        self._evaluate(stage, model_id, "live", f"live~{digest}")

    def was_measured(self, stage: str) -> bool:
        """Whether an earlier run measured the model; it may not have come to store the scores."""
        return (self._folder(stage) / "evaluate.json").exists()

    def _deploy(self, stage: str, model_id: str, how: DeploySpec) -> None:
        self.move(JobStatus.DEPLOYING, stage)
        done = self.live.deploy(model_id, how)
        self.reporter.event("deployment.live", f"{model_id} is live", done)

    def _evaluate(self, stage: str, model_id: str, measured_as: str, folder_name: str | None = None) -> None:
        self.move(JobStatus.EVALUATING, stage)
        folder = self._folder(folder_name or measured_as)
        run = self.artefacts.evaluation_run(stage, model_id)
        write_json(folder / "evaluation.json", run.model_dump(mode="json"))
        scores = self._run("evaluate", folder, stage, {"OPENAI_API_KEY": get_settings().require_admin_key()})
        self._store_scores(measured_as, model_id, scores, folder)
        self.reporter.event("evaluation.done", f"Measured {measured_as}", {"stage": measured_as})

    def _store_measured(self, stage: str, model_id: str) -> None:
        """What an earlier run measured; it may not have come to store it."""
        folder = self._folder(stage)
        self._store_scores(stage, model_id, read_json(folder / "evaluate.json"), folder)

    def _store_scores(self, stage: str, model_id: str, scores: dict[str, Any], folder: Path) -> None:
        path = folder / "answers.jsonl"
        answers = [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []
        self.keeper.write(lambda session: evaluations.record(session, self.lease, stage, model_id, scores, answers))
        self.artefacts.publish_scores(stage, scores)

    def _program(self, name: str, stage: StageSpec) -> dict[str, Any]:
        return self._run(name, self._folder(stage.name), stage.name, {})

    def _folder(self, stage: str) -> Path:
        """The stage's run directory, taken over from the run before, whose programs can write in it no more."""
        return take_over(stage_dir(self.lease.job_id, stage), self.lease.attempt)

    def _run(self, name: str, folder: Path, stage: str, env: dict[str, str]) -> dict[str, Any]:
        environment = {**self.artefacts.program_env(), **env}
        result = run_program(name, folder, self.keeper, self.reporter.for_program(stage, name), environment)
        self.reporter.flush()
        return result

    def move(self, status: JobStatus, stage: str) -> None:
        """Enter the state; a job that was asked to stop does not get so far: Stopped."""
        now = self.keeper.write(lambda session: runs.move(session, self.lease, status, stage=stage))
        if now in STOPPING:
            raise Stopped(f"the job is {now}")
