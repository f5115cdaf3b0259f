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

from core.manifest import SourceRecord
from core.pins import file_sha256
from core.preparation import Preparation
from core.spec import StageSpec
from core.storage import fsync_tree, read_json, write_json
from worker.stages.run_dir import StageRun
from worker.stages.source_records import mixed_in, read_by

_ROOT = Path(__file__).parents[2]
_CODE = ("core/rows/**/*.py", "core/suites/*.py", "core/preparation.py", "worker/stages/*.py")
_LIBRARIES = ("transformers", "tokenizers", "jinja2", "pyarrow")
_TOKENIZER = re.compile(r"(?!.*\.index\.json$).*\.(json|jinja|txt|model)")
_OPTIONS = ("join_rows", "no_call_fraction", "replay_fraction", "max_seq_length", "too_long", "tool_prompt")


def key_of(run: StageRun, sources: dict[str, SourceRecord]) -> str | None:
    """The key of the stage's rows; None where a source's content cannot be told, as of a pipe or an unpinned set."""
    if not all(record.sha256 or record.revision for record in sources.values()):
        return None
    has_replay = mixed_in(run) is not None
    made_of: dict[str, Any] = {
        "data": [data.model_dump(exclude={"revision", "sha256"}) for data in read_by(run)],
        "contents": [record.sha256 or record.revision for record in sources.values()],
        "held_out": run.held_out.rows if run.held_out else 0,
        "has_replay": has_replay,
        "seed": run.seed if has_replay else None,
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


def _digests(files: list[Path]) -> list[str]:
    return [f"{file.name} {file_sha256(file)}" for file in files]
