"""What this machine has: an NVIDIA GPU or none, and how much memory a training may fill."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_GPU_FILES = (Path("/dev/nvidiactl"), Path("/dev/dxg"))
"""One is there when a GPU is: on Linux, and below WSL."""


@dataclass(frozen=True)
class Device:
    """What a worker trains on."""

    name: str
    memory_bytes: int


def has_gpu() -> bool:
    """Whether the machine shows an NVIDIA GPU that is to be used.

    Where this environment's torch is built for the CPU, as `make setup` makes it, the GPU is left alone.
    """
    return any(file.exists() for file in _GPU_FILES) and not _is_built_for_cpu()


def _is_built_for_cpu() -> bool:
    try:
        return version("torch").endswith("+cpu")
    except PackageNotFoundError:  # an image of the api or the gateway, which need no torch
        return False


@lru_cache
def device(visible_gpus: str) -> Device:
    """The first of the visible GPUs (as in CUDA_VISIBLE_DEVICES), or the CPU with the machine's memory."""
    found = _first_gpu(visible_gpus) if has_gpu() else None
    return found or Device(f"cpu ({os.cpu_count()} cores)", _host_memory())


def _first_gpu(visible: str) -> Device | None:
    found = _ask_gpu(visible, "name,memory.total")
    return None if found is None else Device(found[0], int(found[1]) * 1024**2)


def free_gpu_memory(visible_gpus: str) -> tuple[int, int] | None:
    """Free and total bytes of the first visible GPU, or None where there is none to ask."""
    found = _ask_gpu(visible_gpus, "memory.free,memory.total")
    return None if found is None else (int(found[0]) * 1024**2, int(found[1]) * 1024**2)


def _ask_gpu(visible: str, fields: str) -> list[str] | None:
    """Two values that nvidia-smi knows of the first visible GPU; sizes are in MiB."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    query = [
        program,
        f"--query-gpu={fields}",
        "--format=csv,noheader,nounits",
        *(["-i", visible.split(",")[0]] if visible else []),
    ]
    answer = subprocess.run(query, capture_output=True, text=True, timeout=20, check=False)
    if answer.returncode != 0 or not answer.stdout.strip():
        return None
    return [value.strip() for value in answer.stdout.splitlines()[0].rsplit(",", 1)]


def _host_memory() -> int:
    """Bytes of memory: the machine's, or this container's where that is less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.exists() and (text := limit.read_text().strip()) != "max":
        return min(total, int(text))
    return total


def free_host_memory() -> int:
    """Bytes that a further process may take: what the kernel calls available, or this container's rest if less."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    available = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.exists() and used.exists() and (text := limit.read_text().strip()) != "max":
        return min(available, int(text) - int(used.read_text()))
    return available
