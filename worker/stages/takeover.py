"""Which run may write in a stage's folder: the newest one, which takes the folder of the run before by a rename.

    STAGE_DIR/run-3/     everything of the stage; it was run-2/ until run 3 took over

What is guaranteed: a run that lost its lease, were it frozen for hours and thawed, can neither damage nor replace
what the newest run does.  Every path that its programs know lies below a folder that is gone, so opening, renaming
and publishing fail by themselves, without a moment between a check and the act.  A file that it had open stays
harmless too: programs remove what an earlier run left half-written before they write, so it writes into an unlinked
file; its last event may reach `events-N.jsonl`, never the new run's `events.jsonl`.  What it creates anew, in a
folder of its old name, is ignored and removed by the next run.
"""

import contextlib
import re
import shutil
from pathlib import Path

from core.errors import LeaseLost

_RUN = re.compile(r"run-(\d+)")


def take_over(stage_dir: Path, attempt: int) -> Path:
    """Make the stage's folder that of run `attempt`, and return it; LeaseLost when a newer run has it already."""
    own = stage_dir / f"run-{attempt}"
    stage_dir.mkdir(parents=True, exist_ok=True)
    while (newest := _newest(stage_dir)) != attempt:
        if newest is None:
            own.mkdir()
        elif newest > attempt:
            raise LeaseLost(f"run {attempt} lost its lease: run {newest} has taken over {stage_dir}")
        else:
            with contextlib.suppress(FileNotFoundError):  # another run was faster: look again
                (stage_dir / f"run-{newest}").rename(own)
                _set_events_aside(own, newest)
    for folder, number in _runs(stage_dir):
        if number < attempt:
            shutil.rmtree(folder, ignore_errors=True)
    return own


def is_newest(run_dir: Path) -> bool:
    """Whether the run directory is there, and is the newest of its stage; one with another kind of name always is."""
    number = _number(run_dir)
    return run_dir.is_dir() and (number is None or _newest(run_dir.parent) == number)


def current(stage_dir: Path) -> Path | None:
    """The folder of the stage's newest run, if there was one."""
    newest = _newest(stage_dir)
    return None if newest is None else stage_dir / f"run-{newest}"


def event_files(run_dir: Path) -> list[Path]:
    """The event files of the earlier runs, oldest first."""
    return sorted(run_dir.glob("events-*.jsonl"), key=lambda file: int(re.findall(r"\d+", file.name)[-1]))


def _set_events_aside(own: Path, earlier: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        (own / "events.jsonl").rename(own / f"events-{earlier}.jsonl")


def _newest(stage_dir: Path) -> int | None:
    return max((number for _, number in _runs(stage_dir)), default=None)


def _runs(stage_dir: Path) -> list[tuple[Path, int]]:
    found = [] if not stage_dir.is_dir() else list(stage_dir.iterdir())
    return [(folder, number) for folder in found if (number := _number(folder)) is not None]


def _number(folder: Path) -> int | None:
    match = _RUN.fullmatch(folder.name)
    return int(match[1]) if match else None
