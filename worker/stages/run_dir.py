"""What a stage program shares with whoever starts it: a directory, an event file and a meaningful exit code.

RUN_DIR/spec.json       what to do (a `StageRun`)
RUN_DIR/events.jsonl    what happened, one JSON object a line, appended
RUN_DIR/NAME.json       the result of program NAME; it exists only when that program is done
"""

import json
import signal
import sys
import time
import traceback
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from types import FrameType
from typing import Any

from core.errors import ServiceError
from core.spec import DatasetSpec, Spec, StageSpec
from core.storage import read_json, write_json


class Exit(IntEnum):
    """Exit codes, in the numbers of sysexits.h where one fits."""

    DONE = 0
    FAILED = 1
    BAD_DATA = 65
    OUT_OF_MEMORY = 70
    RETRY = 75
    STOPPED = 80


class StageFailure(Exception):
    """Ends the program with an exit code; the message reaches the job's owner."""

    def __init__(self, exit_code: Exit, code: str, message: str) -> None:
        super().__init__(message)
        self.exit_code, self.code = exit_code, code


class StageRun(Spec):
    """`spec.json` of a training stage."""

    job_id: str
    stage: StageSpec
    seed: int
    model: str
    """Folder of the 16-bit model to start from: the base, or the merged model of the stage before."""
    tokenizer: str
    """Folder of the base: its tokenizer, template and limits hold for every stage."""
    model_name: str
    """Public name that the merged model will have."""
    data_root: str
    replay: DatasetSpec | None = None
    """Rows of the stage before, for `no_call_fraction` and `replay_fraction`."""
    output: str
    """Folder that the merged model goes to."""


class RunDir:
    """The directory of one stage."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._events = path / "events.jsonl"

    def spec(self) -> StageRun:
        """The stage to run."""
        return StageRun.model_validate(read_json(self.path / "spec.json"))

    def emit(self, type_: str, **fields: Any) -> None:
        """Append an event; a reader sees whole lines only."""
        line = json.dumps({"type": type_, "at": round(time.time(), 3), **fields}, ensure_ascii=False)
        with self._events.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def finish(self, program: str, result: dict[str, Any]) -> None:
        """Write the program's result; its presence means done."""
        write_json(self.path / f"{program}.json", result)


class StopFlag:
    """Set by SIGTERM: finish the current step, save, and leave with `Exit.STOPPED`."""

    def __init__(self) -> None:
        self.is_set = False
        signal.signal(signal.SIGTERM, self._set)

    def _set(self, _signal: int, _frame: FrameType | None) -> None:
        self.is_set = True


def run_program(main: Callable[[RunDir], None]) -> None:
    """Run a stage program over the directory given on the command line, and exit with its code.

    This is one of the process edges: every error becomes an `error` event and an exit code.
    """
    if len(sys.argv) != 2:
        sys.exit(f"usage: python -m {main.__module__} RUN_DIR")
    run = RunDir(Path(sys.argv[1]))
    try:
        main(run)
    except StageFailure as failure:
        exit_code, code, message = failure.exit_code, failure.code, str(failure)
    except ServiceError as error:
        exit_code, code, message = Exit.BAD_DATA, error.code, error.message
    except MemoryError:
        exit_code, code, message = Exit.OUT_OF_MEMORY, "out_of_memory", "the host ran out of memory"
    except Exception as error:  # noqa: BLE001  the process edge: whatever it is, the owner hears of it
        traceback.print_exc()
        exit_code, code, message = _classify(error)
    else:
        sys.exit(Exit.DONE)
    run.emit("error", code=code, message=message)
    sys.exit(exit_code)


def _classify(error: Exception) -> tuple[Exit, str, str]:
    text = f"{type(error).__name__}: {error}"
    if type(error).__name__ == "OutOfMemoryError" or "out of memory" in text.lower():
        message = f"the GPU ran out of memory ({text[:300]}); lower batch_size or max_seq_length"
        return Exit.OUT_OF_MEMORY, "out_of_memory", message
    return Exit.FAILED, "stage_failed", text[:1000]
