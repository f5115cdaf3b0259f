"""What the data sets of a stage hold: by it a manifest tells what was read, and the row cache finds rows again."""

import re
from pathlib import Path

from core.manifest import SourceRecord
from core.pins import file_sha256
from core.spec import DatasetSpec, SourceSpec
from worker.stages.hub import commit_of
from worker.stages.run_dir import StageRun
from worker.stages.sources import Roots, accepted_of, file_of

FILE = "sources.json"
_COMMIT = re.compile(r"[0-9a-f]{40}")


def read_by(run: StageRun) -> list[SourceSpec]:
    """All that is read for the stage: its rows, those of the stage before where some are mixed in, those held out."""
    replay, chat, held_out = mixed_in(run), run.held_out_chat, run.held_out
    read: list[SourceSpec | None] = [run.stage.data, replay, chat, *run.suites, held_out.data if held_out else None]
    return [data for data in read if data is not None]


def mixed_in(run: StageRun) -> DatasetSpec | None:
    """The rows of the stage before, where some of them are mixed in."""
    return run.replay if run.stage.no_call_fraction + run.stage.replay_fraction > 0 else None


def records(run: StageRun) -> dict[str, SourceRecord]:
    """What each source holds now."""
    found = {data.source: _record(data, run) for data in read_by(run)}
    for suite in run.suites:
        if suite.accepted is not None and (path := accepted_of(suite, run)) is not None:
            found[suite.accepted] = _file_record(suite.accepted, path)
    return found


def unchanged(before: dict[str, SourceRecord], after: dict[str, SourceRecord]) -> list[SourceRecord]:
    """The records, without a digest or commit where it is not the same after the data was read."""
    return [record if after.get(source) == record else SourceRecord(source=source) for source, record in before.items()]


def _record(data: SourceSpec, roots: Roots) -> SourceRecord:
    path = file_of(data, roots)
    if path is None:
        commit = commit_of(data)
        is_pinned = commit is not None and _COMMIT.fullmatch(commit)
        return SourceRecord(source=data.source, revision=commit if is_pinned else None)
    return _file_record(data.source, path)


def _file_record(source: str, path: Path) -> SourceRecord:
    if not path.is_file():  # a pipe holds nothing until it is read, and then no more
        return SourceRecord(source=source)
    before = path.stat()
    digest = file_sha256(path)
    if before.st_mtime_ns != path.stat().st_mtime_ns:
        return SourceRecord(source=source)
    return SourceRecord(source=source, sha256=digest, size_bytes=before.st_size)
