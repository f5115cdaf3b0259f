"""Recognising the faults of the machine in the errors of many libraries: no space left, and no memory left.

torch, safetensors, pyarrow and Python itself say them in as many ways; a `StageFailure` says each in one.
"""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from core.disk import NO_SPACE

# safetensors and torch give no errno, only these words.
_NO_SPACE_TEXT = re.compile(
    r"No space left on device|Disk quota exceeded|File too large|os error (28|122|27)\b|PytorchStreamWriter failed"
)
# The last is what oneDNN says when it cannot have memory for its code; threads of C++ code print theirs and abort.
_NO_MEMORY_TEXT = re.compile(
    r"out of memory|DefaultCPUAllocator|can't allocate memory|Cannot allocate memory|std::bad_alloc|\bMemoryError\b"
    r"|can't start new thread|Thread creation failed|CUBLAS_STATUS_ALLOC_FAILED"
    r"|could not create a primitive(?! descriptor)",
    re.IGNORECASE,
)


def is_out_of_space(error: BaseException) -> bool:
    """Whether a full disk, a used-up quota or a limit on a file's size is behind the error."""
    return any(
        (isinstance(each, OSError) and each.errno in NO_SPACE) or _NO_SPACE_TEXT.search(str(each))
        for each in causes(error)
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation that failed is behind the error, on the GPU or the host."""
    return any(
        isinstance(each, MemoryError)
        or (isinstance(each, OSError) and each.errno == errno.ENOMEM)
        or type(each).__name__ == "OutOfMemoryError"
        or (isinstance(each, RuntimeError) and says_out_of_memory(str(each)))
        for each in causes(error)
    )


def says_out_of_memory(text: str) -> bool:
    """Whether a message, or the end of a log, tells of an allocation that failed."""
    return _NO_MEMORY_TEXT.search(text) is not None


def out_of_space_message(error: BaseException | None, folder: Path) -> str:
    """What could not be written, how much is free, and what to do."""
    chain = list(causes(error)) if error is not None else []
    path = next((Path(os.fsdecode(e.filename)) for e in chain if isinstance(e, OSError) and e.filename), folder)
    there = next(p for p in (path, *path.absolute().parents) if p.exists())
    why = f" ({str(chain[0])[:200]})" if chain else ""
    return (
        f"there is no space left to write {path}: {shutil.disk_usage(there).free:,} bytes are free on its disk{why}; "
        "free some space or raise the quota, then retry the job: what was complete is kept"
    )


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error itself, then what caused it, each once."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__
