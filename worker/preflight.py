"""Preflights that somebody asked for: claimed from Postgres one after another, looked into, and reported.

In a thread of the ops worker, so that it goes on reaping leases.
"""

import logging
import threading
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core import estimate, pacing, preflights, workers
from core.architecture import Architecture, from_config, of_hub_name
from core.db import transaction
from core.errors import PreflightTimeout
from core.estimate import Found, WorkerSeen
from core.preflight_report import Report
from core.preflights import Claimed
from core.preparation import Preparation
from core.settings import get_settings
from core.spec import JobSpec
from core.states import PreflightStatus
from core.storage import read_json
from worker.preflight_program import Cancelled, look_into
from worker.program import ProgramFailed

log = logging.getLogger(__name__)


class _Work:
    """At most one thread of this process; a doorbell that rings while it is about to end is not missed."""

    def __init__(self) -> None:
        self._lock, self._is_wanted, self._is_running = threading.Lock(), False, False

    def begin(self) -> None:
        with self._lock:
            self._is_wanted = True
            if not self._is_running:
                self._is_running = True
                threading.Thread(target=self._run, name="preflights", daemon=True).start()

    def _run(self) -> None:
        """The edge of the thread: whatever goes wrong is logged, and the next doorbell tries again."""
        while self._goes_on():
            try:
                while run_next():
                    pass
            except Exception:
                log.exception("preflight.broke_off")

    def _goes_on(self) -> bool:
        with self._lock:
            self._is_running, self._is_wanted = self._is_wanted, False
            return self._is_running


_WORK = _Work()


def begin() -> None:
    """Begin to work on what is asked for, unless that is under way in this process."""
    _WORK.begin()


def run_next() -> bool:
    """Look into the preflight that waits longest; False when none does."""
    with transaction() as session:
        claimed = preflights.claim(session)
    if claimed is None:
        return False
    log.info("preflight.claimed preflight_id=%s", claimed.preflight_id)
    try:
        _end(claimed, look_into(claimed))
    except Cancelled:
        log.info("preflight.cancelled preflight_id=%s", claimed.preflight_id)
    except (ProgramFailed, PreflightTimeout) as failure:
        _fail(claimed, failure.code, failure.message)
    return True


def report_of(
    session: Session, spec: JobSpec, architecture: Architecture | None, preparations: dict[str, Preparation]
) -> Report:
    """The report of what was found, with the workers, speeds and prices of now."""
    settings = get_settings()
    seen = [WorkerSeen(one.name, one.device, one.memory_bytes) for one in workers.alive(session)]
    found = Found(spec, architecture, preparations, seen)
    return estimate.make(found, pacing.paces(session, found), settings.gpu_hour_price, settings.currency)


def _end(claimed: Claimed, found: dict[str, Any]) -> None:
    """Store the report; a job with problems is refused, one whose data could not be reached has failed."""
    spec = claimed.spec
    preparations = {name: Preparation.model_validate(one["preparation"]) for name, one in found["stages"].items()}
    preview = [{"stage": name, "rows": one["preview"]} for name, one in found["stages"].items()]
    architecture = from_config(found["config"]) if found["config"] else _known(spec)
    problems = [{key: problem[key] for key in ("message", "param", "code")} for problem in found["problems"]]
    status = PreflightStatus.REFUSED if problems else PreflightStatus.SUCCEEDED
    if any(problem["is_passing"] for problem in found["problems"]):
        status = PreflightStatus.FAILED
    with transaction() as session:
        report = report_of(session, spec, architecture, preparations).model_dump(mode="json")
        preflights.finish(session, claimed, status, report=report, preview=preview, problems=problems or None)
    log.info("preflight.ended preflight_id=%s status=%s", claimed.preflight_id, status)


def _fail(claimed: Claimed, code: str, message: str) -> None:
    log.warning("preflight.failed preflight_id=%s code=%s", claimed.preflight_id, code)
    problem = {"message": message, "param": None, "code": code}
    try:
        with transaction() as session:
            report = report_of(session, claimed.spec, _known(claimed.spec), {}).model_dump(mode="json")
            preflights.finish(session, claimed, PreflightStatus.FAILED, report=report, problems=[problem])
    except SQLAlchemyError as error:  # its claim runs out, and it is looked into again
        log.warning("preflight.not_stored preflight_id=%s: %s", claimed.preflight_id, error)


def _known(spec: JobSpec) -> Architecture | None:
    """The model's sizes without the program's help."""
    if not spec.base_is_path:
        return of_hub_name(spec.base_model)
    return base_architecture(Path(spec.base_model))


def base_architecture(folder: Path) -> Architecture | None:
    """The sizes of the model in the folder, or None where its config does not tell."""
    try:
        config = read_json(folder / "config.json")
    except (OSError, ValueError):
        return None
    return from_config(config) if isinstance(config, dict) else None
