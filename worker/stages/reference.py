"""A model as plain transformers computes it: what any server that holds the same weights must agree with.

Memory holds the model once, on the GPU where it fits beside what is there, else on the host.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PreTrainedModel

from core.storage import read_json
from worker.stages.run_dir import Exit, StageFailure

_ROOM = 1.2
"""So many times the size of the weights must be free: for activations, and the largest tensor in float32."""
_SMALL_BYTES = 100 * 1024**2


class Reference:
    """A model in its own type, with an adapter merged into its weights by PEFT if one is named."""

    def __init__(self, folder: Path, adapter: Path | None = None) -> None:
        self.folder = folder
        self.device = _device(_size_bytes(folder) + (_size_bytes(adapter) if adapter else 0))
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(folder, dtype="auto")
        if adapter is not None:
            from peft import PeftModel  # takes 2 s, and only a comparison with an adapter needs it

            model = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
        self.model = model.to(self.device).eval()  # type: ignore[arg-type]  # a decorator hides what `to` takes

    @cached_property
    def stop_ids(self) -> frozenset[int]:
        """The tokens that end an answer."""
        stops = read_json(self.folder / "generation_config.json")["eos_token_id"]
        return frozenset(stops if isinstance(stops, list) else [stops])

    @property
    def dtype(self) -> str:
        """Name of the type that the weights are in."""
        return str(self.model.dtype).removeprefix("torch.")

    def distributions(self, token_ids: list[int]) -> Tensor:
        """The log-probabilities (nats) of all tokens after each of these, in float32 on the host."""
        with torch.inference_mode():
            logits = self.model(self._batch(token_ids), use_cache=False).logits[0]
            return torch.log_softmax(logits.float(), dim=-1).cpu()

    def logprobs(self, token_ids: list[int]) -> list[float]:
        """The log-probability (nats) of every token after the first, given those before it."""
        with torch.inference_mode():
            logits = self.model(self._batch(token_ids), use_cache=False).logits[0, :-1]
            logprobs = torch.log_softmax(logits.float(), dim=-1)
            return logprobs.gather(1, self._batch(token_ids)[0, 1:, None])[:, 0].tolist()

    def answer(self, prompt: list[int], max_tokens: int) -> list[int]:
        """What follows the prompt, each token the likeliest, up to a stop token or so many."""
        answer: list[int] = []
        step, cache = self._batch(prompt), None
        with torch.inference_mode():
            while len(answer) < max_tokens:
                output = self.model(step, past_key_values=cache, use_cache=True, logits_to_keep=1)
                token = int(output.logits[0, -1].argmax())
                if token in self.stop_ids:
                    break
                answer.append(token)
                step, cache = self._batch([token]), output.past_key_values
        return answer

    @contextmanager
    def in_float32(self) -> Iterator["Reference"]:
        """Compute in float32.  Weights are widened one module at a time, and back again, which changes none of them."""
        handles = []
        for module in self.model.modules():
            own = next(module.parameters(recurse=False), None)
            if own is not None and own.dtype != torch.float32:
                handles.append(module.register_forward_pre_hook(_widen, with_kwargs=True))
                handles.append(module.register_forward_hook(_narrow(own.dtype)))
        try:
            yield self
        finally:
            for handle in handles:
                handle.remove()

    def _batch(self, token_ids: list[int]) -> Tensor:
        return torch.tensor([token_ids], device=self.device)


def _widen(module: nn.Module, args: Any, kwargs: Any) -> tuple[Any, Any]:
    module.float()
    return tuple(map(_widened, args)), {name: _widened(value) for name, value in kwargs.items()}


def _widened(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) and value.is_floating_point() else value


def _narrow(dtype: torch.dtype) -> Any:
    def narrow(module: nn.Module, args: Any, output: Any) -> None:
        module.to(dtype)

    return narrow


def no_numbers() -> StageFailure:
    """The failure of a model whose probabilities are not finite."""
    message = "the merged model computes probabilities that are no numbers: its training diverged, or its merge"
    return StageFailure(Exit.FAILED, "broken_model", message)


def use_few_threads(folder: Path) -> None:
    """Compute with one thread where the model is small: threads that wait for one another cost more than they do.

    On two busy cores, 9 answers of a model of 2.4M parameters take 1 s with one thread, and 6 to 12 s with two.
    """
    if _size_bytes(folder) < _SMALL_BYTES:
        torch.set_num_threads(1)


def _size_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))


def _device(size_bytes: int) -> str:
    """Where there is room; MemoryError where there is none, before the kernel ends processes for it."""
    needed = _ROOM * size_bytes
    if torch.cuda.is_available() and torch.cuda.mem_get_info()[0] > needed:
        return "cuda"
    available = _available_bytes()
    if available < needed:
        raise MemoryError(f"the model needs {needed:,.0f} bytes and {available:,} are available")
    return "cpu"


def _available_bytes() -> int:
    """Host memory that can be had without swapping."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
