"""Faults of the machine are recognised in the words of many libraries, and nothing else is taken for one."""

import errno
import signal
from pathlib import Path

import pytest

from worker.program import failure_of
from worker.stages.failures import is_out_of_memory, is_out_of_space, out_of_space_message
from worker.stages.run_dir import Exit


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        OSError(errno.EFBIG, "File too large"),
        RuntimeError("[enforce fail at inline_container.cc:858] . PytorchStreamWriter failed writing file data/0"),
        Exception("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
    ids=lambda error: str(error)[:40],
)
def test_no_space_is_recognised(error: Exception) -> None:
    assert is_out_of_space(error)
    assert not is_out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("could not create a primitive"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
    ],
    ids=lambda error: str(error)[:40],
)
def test_no_memory_is_recognised(error: Exception) -> None:
    assert is_out_of_memory(error)
    assert not is_out_of_space(error)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a row that tells of a GPU that is out of memory"),
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        OSError(errno.ENOENT, "No such file or directory"),
    ],
    ids=lambda error: str(error)[:40],
)
def test_other_errors_are_neither(error: Exception) -> None:
    assert not is_out_of_space(error)
    assert not is_out_of_memory(error)


def test_the_cause_of_an_error_counts() -> None:
    error = RuntimeError("the trainer failed")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert is_out_of_space(error)


def test_the_message_names_the_file_that_could_not_be_written(tmp_path: Path) -> None:
    error = OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "not" / "there.pt"))
    message = out_of_space_message(error, Path("/"))
    assert message.startswith(f"there is no space left to write {tmp_path}/not/there.pt: ")


def test_a_native_thread_that_aborts_for_memory_is_out_of_memory(tmp_path: Path) -> None:
    log = tmp_path / "sft.log"
    log.write_text("terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n")
    failure = failure_of("sft", -signal.SIGABRT, [], log)
    assert (failure.exit_code, failure.code) == (Exit.OUT_OF_MEMORY, "out_of_memory")
    assert failure_of("sft", -signal.SIGKILL, [], log).code == "stage_crashed"


def test_what_an_earlier_program_logged_is_not_taken_for_this_ones_end(tmp_path: Path) -> None:
    log = tmp_path / "sft.log"
    log.write_text("RuntimeError: CUDA out of memory\nIllegal instruction\n")
    failure = failure_of("sft", -signal.SIGILL, [], log, log_start=33)
    assert failure.code == "stage_crashed"
    assert failure.message.endswith("was killed by signal 4; the end of its log: Illegal instruction")
