"""What a stage program shares with whoever starts it: a directory, an event file and a meaningful exit code.

RUN_DIR/spec.json       what to do (a `StageRun`)
RUN_DIR/events.jsonl    what happened, one JSON object a line, appended
RUN_DIR/NAME.json       the result of program NAME; it exists only when that program is done

Only the newest run of a job writes here (`worker/stages/takeover.py`); a program whose directory was taken over ends.
"""

import contextlib
import errno
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from core.errors import ServiceError
from core.spec import DatasetSpec, HeldOut, JobSpec, Spec, StageSpec, SuiteSpec
from core.storage import read_json, write_json
from worker.stages.failures import is_out_of_memory, is_out_of_space, out_of_space_message
from worker.stages.memory_limit import limit_memory
from worker.stages.takeover import is_newest


class Exit(IntEnum):
    """Exit codes, in the numbers of sysexits.h where one fits."""

    DONE = 0
    FAILED = 1
    BAD_DATA = 65
    OUT_OF_MEMORY = 70
    DISK_FULL = 74
    RETRY = 75
    STOPPED = 80
    SUPERSEDED = 81


class StageFailure(Exception):
    """Ends the program with an exit code; the message reaches the job's owner."""

    def __init__(self, exit_code: Exit, code: str, message: str) -> None:
        super().__init__(message)
        self.exit_code, self.code = exit_code, code


class StageRun(Spec):
    """`spec.json` of a training stage."""

    job_id: str
    job: JobSpec | None = None
    """The whole job, for the model's manifest; None where a stage is run by hand."""
    stage: StageSpec
    seed: int
    model: str
    """Folder of the 16-bit model to start from: the base, or the merged model of the stage before."""
    tokenizer: str
    """Folder of the base: its tokenizer, template and limits hold for every stage."""
    earlier_adapter: str | None = None
    """Folder of the adapter that makes `model` of the base; None for the first stage, whose `model` is the base."""
    model_name: str
    """Public name that the merged model will have."""
    data_root: str
    files_root: str
    """Folder of the uploaded files (`core.file_store`)."""
    replay: DatasetSpec | None = None
    """Rows of the stage before, for `no_call_fraction` and `replay_fraction`."""
    suites: tuple[SuiteSpec, ...] = ()
    """What the models are measured on: the training rows are compared with its questions."""
    held_out: HeldOut | None = None
    """Rows of the job's own data that no stage trains on; a suite too."""
    held_out_chat: DatasetSpec | None = None
    """Held-out chat rows, likewise."""
    row_cache: str | None = None
    """Folder of the tokenised rows that are kept; None where none are."""
    output: str
    """Folder that the merged model goes to, on the disk of the run directory."""
    memory_limit_bytes: int | None = None
    """Memory that a program may take on the host; beyond it, it ends out of memory and harms nobody else."""

    def rows_held_out(self, data: DatasetSpec) -> int:
        """How many rows at the end of this data set no stage trains on."""
        return self.held_out.of(data) if self.held_out else 0


class RunDir:
    """The directory of one stage."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._events = path / "events.jsonl"

    def spec(self) -> StageRun:
        """The stage to run; from here on, this process keeps to its memory limit."""
        spec = StageRun.model_validate(read_json(self.path / "spec.json"))
        if spec.memory_limit_bytes is not None:
            limit_memory(spec.memory_limit_bytes)
        return spec

    def emit(self, type_: str, **fields: Any) -> None:
        """Append an event, in one write, so that a reader sees whole lines only."""
        event = json.dumps({"type": type_, "at": round(time.time(), 3), **fields}, ensure_ascii=False)
        line = f"{event}\n".encode()
        with self._events.open("ab", buffering=0) as file:
            end = file.tell()
            if file.write(line) < len(line):  # what a full disk does first, without an error
                file.truncate(end)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._events))

    def check_newest(self) -> None:
        """End this program if a newer run has taken over: what it would publish is not wanted any more."""
        if not is_newest(self.path):
            message = f"a newer run of the job has taken over {self.path}: this one changes nothing any more"
            raise StageFailure(Exit.SUPERSEDED, "lease_lost", message)

    def finish(self, program: str, result: dict[str, Any]) -> None:
        """Write the program's result; its presence means done."""
        self.check_newest()
        write_json(self.path / f"{program}.json", result)


class StopFlag:
    """Set by SIGTERM once training has begun: finish the step, save, and leave with `Exit.STOPPED`.

    Before that there is nothing to save, and SIGTERM ends the process at once, as it does every other program.
    """

    def __init__(self) -> None:
        self.is_set = False

    def listen(self) -> None:
        """From now on, SIGTERM is a wish."""
        signal.signal(signal.SIGTERM, self._set)

    def _set(self, _signal: int, _frame: FrameType | None) -> None:
        self.is_set = True


def run_program(main: Callable[[RunDir], None]) -> NoReturn:
    """Run a stage program over the directory given on the command line, and exit with its code.

    This is one of the process edges: every error becomes an `error` event and an exit code.
    """
    if len(sys.argv) != 2:
        sys.exit(f"usage: python -m {main.__module__} RUN_DIR")
    run = RunDir(Path(sys.argv[1]))
    try:
        run.check_newest()
        main(run)
    except Exception as error:  # noqa: BLE001  the process edge: whatever it is, the owner hears of it
        exit_code, code, message = _classify(error, run)
        with contextlib.suppress(OSError):  # a full disk has no room for these lines; the exit code says it too
            run.emit("error", code=code, message=message)
            traceback.print_exc()
    else:
        exit_code = Exit.DONE
    # At once: taking torch's threads and objects down in order lasts seconds, and nothing is left to do.
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(exit_code)


def _classify(error: Exception, run: RunDir) -> tuple[Exit, str, str]:
    """The exit code, the failure's code, and the message to the job's owner."""
    if isinstance(error, StageFailure):
        return error.exit_code, error.code, str(error)
    if isinstance(error, ServiceError):
        return Exit.BAD_DATA, error.code, error.message
    if not is_newest(run.path):  # its files have moved away below it
        return Exit.SUPERSEDED, "lease_lost", f"a newer run of the job has taken over {run.path}"
    text = f"{type(error).__name__}: {error}"
    if is_out_of_space(error):
        return Exit.DISK_FULL, "disk_full", out_of_space_message(error, run.path)
    if is_out_of_memory(error):
        return Exit.OUT_OF_MEMORY, "out_of_memory", f"there was not enough memory ({text[:300]}); use a larger worker"
    return Exit.FAILED, "stage_failed", text[:1000]
