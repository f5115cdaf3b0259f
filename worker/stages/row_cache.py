"""Tokenised rows of earlier preparations, found again by all that they were made of.

The key is a digest of the data's bytes (or a hub data set's commit), the tokenizer's files and template, the options
that decide about rows, the code that makes them, and the versions of the libraries that it uses.  So no entry is ever
wrong or out of date; at worst it is not found.  Two programs that write the same entry at once write the same rows.
"""

import hashlib
import json
import os
import re
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from core.preparation import Preparation
from core.spec import SourceSpec, StageSpec
from core.storage import fsync_tree, read_json, write_json
from worker.stages.hub import commit_of
from worker.stages.run_dir import StageRun
from worker.stages.sources import Roots, accepted_of, file_of

_ROOT = Path(__file__).parents[2]
_CODE = ("core/rows/**/*.py", "core/suites/*.py", "core/preparation.py", "worker/stages/*.py")
_LIBRARIES = ("transformers", "tokenizers", "jinja2", "pyarrow")
_TOKENIZER = re.compile(r"(?!.*\.index\.json$).*\.(json|jinja|txt|model)")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_OPTIONS = ("join_rows", "no_call_fraction", "replay_fraction", "max_seq_length", "too_long", "tool_prompt")


def key_of(run: StageRun) -> str | None:
    """The key of the stage's rows; None where the data's content cannot be told, as of a pipe or an unpinned set."""
    replay = run.replay if run.stage.no_call_fraction + run.stage.replay_fraction else None
    chat = [run.held_out_chat] if run.held_out_chat else []
    data_sets: list[SourceSpec] = [run.stage.data, *([replay] if replay else []), *chat, *run.suites]
    data_sets += [run.held_out.data] if run.held_out else []
    contents = [_content(data, run) for data in data_sets]
    contents += [_file_content(path) for suite in run.suites if (path := accepted_of(suite, run)) is not None]
    if None in contents:
        return None
    made_of: dict[str, Any] = {
        "data": [data.model_dump(exclude={"revision"}) for data in data_sets],
        "contents": contents,
        "held_out": run.held_out.rows if run.held_out else 0,
        "has_replay": replay is not None,
        "seed": run.seed if replay else None,
        "options": run.stage.model_dump(include=set(_OPTIONS)),
        "tokenizer": _digests(sorted(p for p in Path(run.tokenizer).rglob("*") if _TOKENIZER.fullmatch(p.name))),
        "code": _digests(sorted(path for pattern in _CODE for path in _ROOT.glob(pattern))),
        "libraries": {name: version(name) for name in _LIBRARIES},
    }
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


def fetch(cache: Path, key: str, target: Path, stage: StageSpec) -> Preparation | None:
    """Put the rows at `target` and return their counts; None when they are not there, or not whole."""
    entry = cache / key
    try:
        _link(entry / "rows.arrow", target)
        preparation = Preparation.model_validate(read_json(entry / "prepare.json"))
        os.utime(entry)  # used now: the sweep lets others go first
    except (FileNotFoundError, ValidationError, json.JSONDecodeError):
        target.unlink(missing_ok=True)
        shutil.rmtree(entry, ignore_errors=True)  # or no whole one could take its place
        return None
    # The rest of the stage is no part of the key.
    now = {"steps": stage.steps(preparation.rows), "cached": True}
    return preparation.model_copy(
        update={**now, "longest_batch_tokens": min(stage.batch_size, preparation.rows) * preparation.longest}
    )


def keep(cache: Path, key: str, rows: Path, preparation: Preparation) -> None:
    """Add the rows; the entry appears complete or not at all, and one that is there stays.

    A disk that refuses is no reason to fail: the rows themselves are written.
    """
    temporary = cache / f".{key}.{os.getpid()}.tmp"
    try:
        temporary.mkdir(parents=True)
        _link(rows, temporary / "rows.arrow")
        write_json(temporary / "prepare.json", preparation.model_dump(mode="json"))
        fsync_tree(temporary)
        temporary.rename(cache / key)
    except OSError:
        shutil.rmtree(temporary, ignore_errors=True)


def _link(source: Path, target: Path) -> None:
    """The same file under another name, or a copy where that lies on another disk."""
    target.unlink(missing_ok=True)
    try:
        target.hardlink_to(source)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)


def _content(data: SourceSpec, roots: Roots) -> str | None:
    """What tells the rows of a data set from any other's."""
    path = file_of(data, roots)
    if path is None:
        commit = commit_of(data)
        return commit if commit is not None and _COMMIT.fullmatch(commit) else None
    return _file_content(path)


def _file_content(path: Path) -> str | None:
    if not path.is_file():
        return None
    before = path.stat()
    [digest] = _digests([path])
    return digest if before.st_mtime_ns == path.stat().st_mtime_ns else None


def _digests(files: list[Path]) -> list[str]:
    digests = []
    for file in files:
        with file.open("rb") as content:
            digests.append(f"{file.name} {hashlib.file_digest(content, 'sha256').hexdigest()}")
    return digests
