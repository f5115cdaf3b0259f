"""Preflights that somebody asked for: claimed from Postgres, looked into by a program of their own, and reported.

One at a time in each ops worker, in a thread, so that it goes on reaping leases.  The program is bounded in memory and
time, and stopped when its preflight is cancelled.
"""

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core import pacing, preflight_report, preflights, workers
from core.architecture import Architecture, from_config, of_hub_name
from core.db import transaction
from core.errors import PreflightTimeout
from core.memory import GIB
from core.preflight_report import Found, Report, WorkerSeen
from core.preflights import Claimed
from core.preparation import Preparation
from core.processes import bound_to_this_process
from core.settings import get_settings
from core.spec import JobSpec
from core.states import PreflightStatus
from core.storage import read_json, write_json
from worker.artefacts import Artefacts
from worker.program import ProgramFailed, failure_of, read_errors
from worker.stages.run_dir import Exit

log = logging.getLogger(__name__)
_THREAD = "preflights"
_POLL_S = 0.1
_LOOK_EVERY_S = 1.0
_RESERVE_S = 30
"""A claim outlasts its program's time limit by so long: for the report, and for Postgres to be away a moment."""
_ROOT = Path(__file__).parent.parent


class Cancelled(Exception):
    """The preflight was superseded, or somebody else has taken it."""


def begin() -> None:
    """Begin to work on what is asked for, unless that is under way in this process."""
    if _THREAD not in {thread.name for thread in threading.enumerate()}:
        threading.Thread(target=_work, name=_THREAD, daemon=True).start()


def _work() -> None:
    """The edge of the thread: whatever goes wrong is logged, and the next doorbell tries again."""
    try:
        while run_next():
            pass
    except Exception:
        log.exception("preflight.broke_off")


def run_next() -> bool:
    """Look into the preflight that waits longest; False when none does."""
    limit_s = get_settings().preflight_timeout_s
    with transaction() as session:
        claimed = preflights.claim(session, limit_s + _RESERVE_S)
    if claimed is None:
        return False
    log.info("preflight.claimed preflight_id=%s", claimed.preflight_id)
    folder = _new_folder(claimed)
    try:
        _end(claimed, _run_program(claimed, folder, limit_s))
    except Cancelled:
        log.info("preflight.cancelled preflight_id=%s", claimed.preflight_id)
    except (ProgramFailed, PreflightTimeout) as failure:
        _fail(claimed, failure.code, failure.message)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return True


def report_of(
    session: Session, spec: JobSpec, architecture: Architecture | None, preparations: dict[str, Preparation]
) -> Report:
    """The report of what was found, with the workers, speeds and prices of now."""
    settings = get_settings()
    seen = [WorkerSeen(one.name, one.device, one.memory_bytes) for one in workers.alive(session)]
    found = Found(spec, architecture, preparations, seen)
    return preflight_report.make(found, pacing.paces(session, found), settings.gpu_hour_price, settings.currency)


def _new_folder(claimed: Claimed) -> Path:
    """An empty folder, in which no program of an earlier attempt is at work."""
    folder = get_settings().storage_path / "preflights" / f"{claimed.preflight_id}.{claimed.token}"
    folder.mkdir(parents=True)
    artefacts = Artefacts(claimed.preflight_id, claimed.spec)
    stages = [artefacts.stage_run(stage).model_dump(mode="json") for stage in claimed.spec.stages]
    hub_model = None if claimed.spec.base_is_path else claimed.spec.base_model
    limit_bytes = round(get_settings().preflight_memory_gb * GIB)
    write_json(
        folder / "spec.json",
        {
            # The limit is the whole program's, and the stages set none of their own.
            "stages": [{**stage, "memory_limit_bytes": None} for stage in stages],
            "hub_model": hub_model,
            "memory_limit_bytes": limit_bytes,
        },
    )
    return folder


def _run_program(claimed: Claimed, folder: Path, limit_s: float) -> dict[str, Any]:
    """What the program found.  Raises ProgramFailed, PreflightTimeout or Cancelled."""
    log_path = folder / "preflight.log"
    environment = {**os.environ, **Artefacts(claimed.preflight_id, claimed.spec).program_env()}
    with log_path.open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "worker.stages.preflight", str(folder)],
            cwd=_ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=bound_to_this_process(),
            env={**environment, "PYTHONUNBUFFERED": "1"},
        )
    try:
        _wait(child, claimed, limit_s)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    if child.returncode == Exit.DONE:
        found: dict[str, Any] = read_json(folder / "preflight.json")
        return found
    raise failure_of("preflight", child.returncode, read_errors(folder / "events.jsonl"), log_path)


def _wait(child: subprocess.Popen[bytes], claimed: Claimed, limit_s: float) -> None:
    """Wait until the program ends, its time is up, or its preflight is not wanted any more."""
    started = looked = time.monotonic()
    while child.poll() is None:
        time.sleep(_POLL_S)
        now = time.monotonic()
        if now - started > limit_s:
            message = (
                f"looking into the data took longer than {limit_s:g} s (TUNESMITH_PREFLIGHT_TIMEOUT_S): raise it, or "
                "set `rows` of the data sets for the preflight"
            )
            raise PreflightTimeout(message)
        if now - looked > _LOOK_EVERY_S:
            looked = now
            with transaction() as session:
                if not preflights.is_held(session, claimed):
                    raise Cancelled


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


def sweep_folders(ids: Iterable[str]) -> None:
    """Remove what killed processes have left of preflights that are not open any more."""
    root = get_settings().storage_path / "preflights"
    open_ids = set(ids)
    for folder in root.iterdir() if root.exists() else ():
        if folder.name.split(".")[0] not in open_ids:
            shutil.rmtree(folder, ignore_errors=True)
