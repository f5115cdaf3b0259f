"""The C library told to keep what is freed: training on a CPU takes the same large tensors again at every operation.

By default each goes back to the kernel, which then clears and maps its pages anew.
"""

import ctypes

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # of glibc's malloc.h
_MMAP_THRESHOLD_BYTES = 32 * 1024**2  # the largest that glibc takes
_KEPT_BYTES = 2**31 - 1
_TOP_PAD_BYTES = 64 * 1024**2


def keep_freed_memory() -> None:
    """From now on, this process keeps what it frees; does nothing with a C library that cannot be told."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_TOP_PAD, _TOP_PAD_BYTES)
