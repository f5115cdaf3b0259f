"""Keeps vLLM to the folders that it may load from: a path in a request, and every file that it leads to."""

import os
from collections.abc import Iterable
from pathlib import Path

from tunesmith_vllm.checkpoint import Refused


class NotAllowed(Exception):
    """The folder lies outside of those that this server was started with."""


def roots_of(folders: Iterable[str]) -> list[Path]:
    """The folders without symbolic links.

    A snapshot in the Hugging Face cache is a folder of links into its repository's `blobs`: the repository counts.
    """
    real = [_real(folder) for folder in folders]
    return [folder.parent.parent if folder.parent.name == "snapshots" else folder for folder in real]


def confined(path: str, roots: Iterable[Path]) -> Path:
    """The folder without symbolic links; NotAllowed when it lies elsewhere, Refused when one of its files does."""
    allowed, folder = list(roots), _real(path)
    if not _is_below(folder, allowed):
        raise NotAllowed(f"{folder} lies outside of the folders this server may load from")
    for file in sorted(folder.iterdir()) if folder.is_dir() else ():
        if not _is_below(_real(file), allowed):
            raise Refused(f"{file} is a link to {_real(file)}, outside of the folders this server may load from")
    return folder


def _is_below(path: Path, roots: Iterable[Path]) -> bool:
    return any(path.is_relative_to(root) for root in roots)


def _real(path: str | Path) -> Path:
    return Path(os.path.realpath(path))
