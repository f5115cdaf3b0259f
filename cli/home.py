"""The home folder of a running system: who holds it, and what of an earlier run is still alive.

Two locks: `lock` is the launcher's and names its pid; `children.lock` is inherited by every child, so it is free
only once the last process of an earlier run has ended.  The kernel releases both, whatever way a process dies.
"""

import fcntl
import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from core.errors import ConfigurationError


class HomeLock:
    """Exclusive use of a home folder, from `acquire` to `release` or to the end of the process."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._own: IO[str] | None = None
        self._children: IO[str] | None = None

    def acquire(self, wait_s: float = 20) -> None:
        """Take the home; ConfigurationError names its holder, or the leftovers that do not end within `wait_s`."""
        create_home(self.home)
        own = (self.home / "lock").open("a+")
        if not _try_lock(own):
            holder = _holder(own)
            own.close()
            raise ConfigurationError(
                f"{self.home} is in use by {holder}: stop that one first, or set TUNESMITH_HOME to another folder"
            )
        own.truncate(0)
        own.write(json.dumps({"pid": os.getpid(), "since": datetime.now(UTC).isoformat(timespec="seconds")}))
        own.flush()
        self._own = own
        self._children = (self.home / "children.lock").open("a+")
        end = time.monotonic() + wait_s
        while not _try_lock(self._children):
            if time.monotonic() > end:
                pids = ", ".join(map(str, _openers(self.home / "children.lock"))) or "unknown"
                self.release()
                raise ConfigurationError(
                    f"processes of an earlier run still use {self.home} after {wait_s:g} s (pids {pids}): "
                    "wait until they have ended, or kill them"
                )
            time.sleep(0.05)

    @property
    def inherited(self) -> int:
        """The file descriptor that every child must keep open."""
        assert self._children is not None, "the home is not locked"
        return self._children.fileno()

    def release(self) -> None:
        """Give the home up; children that live on keep it taken."""
        for file in (self._children, self._own):
            if file is not None:
                file.close()
        self._own = self._children = None


def create_home(home: Path) -> None:
    """Make the folder; ConfigurationError when this user cannot write there."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        writable = os.access(home, os.W_OK | os.X_OK)
    except (PermissionError, FileExistsError, NotADirectoryError) as error:
        raise ConfigurationError(f"cannot make the folder {home}: {error.strerror}; set TUNESMITH_HOME") from None
    if not writable:
        raise ConfigurationError(
            f"{home} cannot be written by this user (uid {os.geteuid()}): set TUNESMITH_HOME to a folder of your own"
        )


def _try_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(file: IO[str]) -> str:
    file.seek(0)
    try:
        holder = json.loads(file.read())
    except json.JSONDecodeError:  # caught between taking the lock and writing the name
        return "another process"
    return f"process {holder['pid']} since {holder['since']}"


def _openers(path: Path) -> list[int]:
    """Pids of the processes, of those this user may look into, that have the file open."""
    pids = set()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if link.readlink() == path.resolve():
                pids.add(int(link.parts[2]))
        except OSError:  # the process has ended, or is another user's
            continue
    return sorted(pids - {os.getpid()})
