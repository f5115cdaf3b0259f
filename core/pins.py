"""Data that a spec pins: a file with `sha256` is read only while it holds those very bytes."""

import hashlib
from pathlib import Path

from core.errors import DataChanged


def file_sha256(path: Path) -> str:
    """The digest of a file's bytes, in hexadecimal digits."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def check_content(path: Path, sha256: str, source: str, param: str = "data.sha256") -> None:
    """DataChanged unless the file holds these bytes."""
    check_digest(file_sha256(path), sha256, source, param)


def check_digest(found: str, sha256: str, source: str, param: str) -> None:
    """DataChanged unless the digests are the same."""
    if found != sha256:
        raise DataChanged(
            f"{param}: {source!r} has the sha256 {found[:12]}… and is pinned to {sha256[:12]}…: its bytes have "
            "changed; put back the file as it was, or leave the pin out to use it as it is",
            param=param,
        )
