"""vLLM's command line and environment, chosen by what the machine has."""

import json
import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from core.machine import has_gpu
from core.settings import Settings, vllm_environment
from inference.names import ENGINE_NAME

FEW_CORES = 4
ADAPTER_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""What vLLM takes as --max-lora-rank."""


@dataclass(frozen=True)
class Launch:
    """What one vLLM is started with."""

    model: Path
    roots: frozenset[Path]
    """Folders that weights and adapters may later be loaded from."""
    adapter_rank: int | None = None
    """The largest rank of an adapter; without one vLLM serves none, and is a little faster."""
    gpu_share: float | None = None
    """Of the GPU's memory; VLLM_GPU_UTIL when absent."""


def arguments(settings: Settings, launch: Launch, port: int) -> list[str]:
    """vLLM's command line for this machine."""
    chosen = {
        "--model": str(launch.model),
        "--served-model-name": ENGINE_NAME,
        "--host": settings.vllm_host,
        "--port": str(port),
        "--tool-call-parser": "hermes",
        "--tool-strict-level": "parameter",
        "--worker-extension-cls": "tunesmith_vllm.worker.StagedSwap",
        "--additional-config": json.dumps({"swap_roots": sorted(map(str, {*launch.roots, launch.model}))}),
    }
    flags = ["--enable-auto-tool-choice", "--disable-uvicorn-access-log"]
    if launch.adapter_rank is not None:
        flags.append("--enable-lora")
        chosen["--max-loras"] = str(settings.max_adapters)
        chosen["--max-lora-rank"] = str(next(rank for rank in ADAPTER_RANKS if rank >= launch.adapter_rank))
    if has_gpu():
        chosen["--gpu-memory-utilization"] = f"{launch.gpu_share or settings.vllm_gpu_util:g}"
        if settings.share_gpu != "off":
            flags.append("--enable-sleep-mode")
    else:
        # On CPU compilation takes minutes, and 32 is the block size that its attention kernel is made for.
        chosen["--block-size"] = "32"
        flags.append("--enforce-eager")
    if settings.vllm_max_model_len is not None:
        chosen["--max-model-len"] = str(settings.vllm_max_model_len)
    return [word for option in chosen.items() for word in option] + flags + shlex.split(settings.vllm_args)


def environment(settings: Settings, api_key: str, model: Path) -> dict[str, str]:
    """vLLM's environment.  The key goes here because a command line can be read by every user of the machine."""
    forced = {
        "VLLM_API_KEY": api_key,
        "VLLM_PLUGINS": "tunesmith",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_SERVER_DEV_MODE": "0",
        "VLLM_CPU_KVCACHE_SPACE": str(settings.vllm_cpu_kvcache_gb),
    }
    if model.exists():
        forced |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    return vllm_environment(forced, {} if has_gpu() else cpu_defaults(os.cpu_count() or 1))


def cpu_defaults(cores: int) -> dict[str, str]:
    """What vLLM runs best with on a CPU, as measured on two cores; the environment overrides each of them."""
    # vLLM compiles one function, for logprobs, whatever --enforce-eager says: 5 s, and a machine with a C++ compiler.
    defaults = {"TORCH_COMPILE_DISABLE": "1"}
    if cores <= FEW_CORES:
        # The worker then lives in EngineCore's process: one process less to import vLLM, a third off the start.
        # Larger machines keep the two apart, because only then vLLM binds threads to cores.
        defaults["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
        # Threads that spin at a barrier while another process has their core made an answer 50 times slower.
        defaults["OMP_NUM_THREADS"] = str(max(1, cores - 1))
    return defaults
