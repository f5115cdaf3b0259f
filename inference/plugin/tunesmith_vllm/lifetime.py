"""No vLLM process outlives its parent, however that one ends: the kernel kills it (PR_SET_PDEATHSIG).

vLLM is a tree (API server, EngineCore, workers).  A killed API server would leave EngineCore holding the memory.
"""

import ctypes
import os
import signal
import threading

_PR_SET_PDEATHSIG = 1
_guarded = threading.Event()


def on_plugin_load() -> None:
    """vLLM's general plugin.  Loaded by every vLLM of this environment, so it acts only where it was asked for."""
    from vllm import envs

    if "tunesmith" in (envs.VLLM_PLUGINS or ()):
        die_with_parent()


def die_with_parent() -> None:
    """Tie this process, and every process it forks, to the life of its parent.  Calling it again is harmless.

    Spawned processes call it again through vLLM's plugin loading; forked ones inherit the loader's "done" mark and
    would skip that, so a fork handler covers them.
    """
    if _guarded.is_set():
        return
    _guarded.set()
    _arm()
    os.register_at_fork(after_in_child=_arm_if_forked_by_main)


def _arm() -> None:
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _arm_if_forked_by_main() -> None:
    # The kernel watches the forking thread, not the process: a child of a short-lived thread must not be tied to it.
    if threading.current_thread().name == "MainThread":
        _arm()
