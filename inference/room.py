"""Whether the machine has the memory for a second vLLM beside the one that serves."""

from dataclasses import dataclass
from pathlib import Path

from core.machine import free_gpu_memory, free_host_memory, has_gpu
from core.memory import GIB
from core.settings import Settings

RUNTIME_BYTES = round(1.5 * GIB)
"""What vLLM takes besides weights and cache: 0.6 GiB measured on a CPU, a CUDA context and its buffers on a GPU."""
GPU_CACHE_BYTES = 2 * GIB
"""The least cache that is worth starting a second vLLM with."""
WEIGHTS_FACTOR = 1.1


@dataclass(frozen=True)
class Room:
    """`text` says what is needed and what is free; `gpu_share` is what the second vLLM may take of the GPU."""

    fits: bool
    text: str
    gpu_share: float | None = None


def room_for(weights: Path, settings: Settings) -> Room:
    """Room for a vLLM that serves the weights in this folder."""
    if settings.second_vllm == "never":
        return Room(False, "TUNESMITH_SECOND_VLLM is never")
    size = sum(file.stat().st_size for file in weights.glob("*.safetensors"))
    gpu = free_gpu_memory(settings.visible_gpus) if has_gpu() else None
    if gpu is None:
        cache = settings.vllm_cpu_kvcache_gb * GIB
        return _judge(round(size * WEIGHTS_FACTOR) + cache + RUNTIME_BYTES, free_host_memory(), "memory")
    free, total = gpu
    room = _judge(round(size * WEIGHTS_FACTOR) + GPU_CACHE_BYTES + RUNTIME_BYTES, free, "GPU memory")
    share = min(settings.vllm_gpu_util, (free - RUNTIME_BYTES / 2) / total)
    return Room(room.fits, room.text, round(share, 3) if room.fits else None)


def _judge(needed: int, free: int, kind: str) -> Room:
    return Room(needed <= free, f"a second vLLM needs {needed / GIB:.1f} GiB of {kind}, {free / GIB:.1f} GiB are free")
