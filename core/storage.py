"""Where artefacts live below the storage folder, and how they are written: temporary name, fsync, rename."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from core.errors import InvalidRequest
from core.settings import get_settings


def stage_dir(job_id: str, stage: str) -> Path:
    """The run directory of one stage of a job; it outlives runs, so the next one resumes in it."""
    return get_settings().storage_path / "jobs" / job_id / stage


def model_location(job_id: str, stage: str) -> str:
    """Where a stage's merged model goes, relative to the storage folder."""
    return f"models/{job_id}/{stage}"


def resolve(location: str) -> Path:
    """The absolute path of a location kept in a row."""
    return get_settings().storage_path / location


def confined(root: Path, relative: str, param: str) -> Path:
    """`root/relative` with links resolved; InvalidRequest when that leaves `root`."""
    path = (root / relative).resolve()
    if not path.is_relative_to(root.resolve()):
        raise InvalidRequest(f"{param}: {relative!r} lies outside of {root}; name a path below it", param=param)
    return path


def write_atomically(path: Path, content: bytes) -> None:
    """Write the file so that a reader sees the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, atomically."""
    write_atomically(path, json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n")


def read_json(path: Path) -> Any:
    """The JSON value of a file."""
    return json.loads(path.read_bytes())


@contextmanager
def new_directory(target: Path, *, below: Path | None = None) -> Iterator[Path]:
    """A temporary directory that becomes `target` at the end of the block, or is removed on an error.

    It lies next to the target, or `below` another folder of the same disk: once that one was renamed by somebody
    else, nothing is published, and what `target` held stays.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if below is not None and below.stat().st_dev == target.parent.stat().st_dev:
        temporary, replaced = below / f".{target.name}.tmp", below / f".{target.name}.old"
    else:
        temporary, replaced = (target.with_name(f".{target.name}.{os.getpid()}.{end}") for end in ("tmp", "old"))
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        fsync_tree(temporary)
        shutil.rmtree(replaced, ignore_errors=True)
        with suppress(FileNotFoundError):  # nothing to replace, or the place is gone: then the next rename says so
            target.rename(replaced)
        temporary.rename(target)
        fsync(target.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(replaced, ignore_errors=True)


def fsync_tree(folder: Path) -> None:
    """Make the folder and everything in it survive a loss of power."""
    for path in folder.rglob("*"):
        fsync(path)
    fsync(folder)


def fsync(path: Path) -> None:
    """Make a file's content, or a folder's names, survive a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
