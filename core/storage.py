"""Where artefacts live below the storage folder, and how they are written: temporary name, fsync, rename."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
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
def new_directory(target: Path) -> Iterator[Path]:
    """A temporary directory that becomes `target` at the end of the block, or is removed on an error."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        for file in temporary.rglob("*"):
            _fsync(file)
        _fsync(temporary)
        shutil.rmtree(target, ignore_errors=True)
        temporary.rename(target)
        _fsync(target.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
