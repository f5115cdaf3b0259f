"""The program that looks into a job's data, run in a folder of its own under the claim of its preflight.

It is bounded in memory and time, and stopped when its preflight is cancelled or somebody else has taken it.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core import disk, preflights
from core.db import transaction
from core.errors import PreflightTimeout
from core.memory import GIB
from core.preflights import Claimed
from core.processes import bound_to_this_process
from core.settings import get_settings
from core.storage import read_json, write_json
from worker.artefacts import Artefacts
from worker.program import failure_of, read_errors
from worker.stages.run_dir import Exit

_POLL_S = 0.1
_RENEW_EVERY_S = 1.0
_ROOT = Path(__file__).parent.parent


class Cancelled(Exception):
    """The preflight was superseded, or somebody else has taken it."""


def look_into(claimed: Claimed) -> dict[str, Any]:
    """What the program found.  Raises ProgramFailed, PreflightTimeout or Cancelled; nothing stays on the disk."""
    with _folder(claimed) as folder:
        return _run(claimed, folder)


def sweep_folders() -> None:
    """Remove what killed processes have left of preflights that are not open any more."""
    # Listed first: a preflight that begins after it was asked which are open must not lose its folder.
    folders = list(disk.entries(get_settings().storage_path / "preflights"))
    with transaction() as session:
        open_ids = set(preflights.open_ids(session))
    disk.delete([folder for folder in folders if folder.name.split(".")[0] not in open_ids])


@contextlib.contextmanager
def _folder(claimed: Claimed) -> Iterator[Path]:
    """A folder with the program's spec, in which no program of an earlier attempt is at work."""
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
            "hub_revision": claimed.spec.base_revision,
            "memory_limit_bytes": limit_bytes,
        },
    )
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(claimed: Claimed, folder: Path) -> dict[str, Any]:
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
        _wait(child, claimed, get_settings().preflight_timeout_s)
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
    started = renewed = time.monotonic()
    while child.poll() is None:
        time.sleep(_POLL_S)
        now = time.monotonic()
        if now - started > limit_s:
            raise PreflightTimeout(
                f"looking into the data took longer than {limit_s:g} s (TUNESMITH_PREFLIGHT_TIMEOUT_S): raise it, or "
                "set `rows` of the data sets for the preflight"
            )
        if now - renewed > _RENEW_EVERY_S:
            renewed = now
            with transaction() as session:
                if not preflights.renew(session, claimed):
                    raise Cancelled
