"""Children that never outlive their parent (Linux)."""

import ctypes
import os
import signal
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent dies."""
    _bind(ctypes.CDLL(None), signal.SIGKILL)


def bound_to_this_process(sig: signal.Signals = signal.SIGKILL) -> Callable[[], None]:
    """A `preexec_fn`: the child gets `sig` when the thread that starts it ends, even if that is before it runs."""
    parent, libc = os.getpid(), ctypes.CDLL(None)  # loaded before the fork, which allows little

    def bind() -> None:
        _bind(libc, sig)
        if os.getppid() != parent:
            os._exit(1)

    return bind


def _bind(libc: ctypes.CDLL, sig: signal.Signals) -> None:
    libc.prctl(_PR_SET_PDEATHSIG, sig, 0, 0, 0)
