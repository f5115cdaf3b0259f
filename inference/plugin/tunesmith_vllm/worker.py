"""The worker's part of a swap, mixed into vLLM's worker by `--worker-extension-cls`.

Stage reads and checks a checkpoint in a thread while requests run; commit copies it into the live tensors while the
engine is paused; rollback loads the folder served before, and restore the one that a failed exchange began with.
"""

import os
import threading
from pathlib import Path
from typing import Any

import torch
from vllm.model_executor.model_loader.reload import layerwise

from tunesmith_vllm.checkpoint import Checkpoint, Incompatible, Refused, read, weights
from tunesmith_vllm.validate import check_compatible, check_own_config, check_tensors


class StagedSwap:
    """Methods reached by `collective_rpc`; their answers are plain dicts because they cross a process."""

    vllm_config: Any
    model_runner: Any
    reload_weights: Any
    _swap_served: Checkpoint | None = None
    _swap_previous: Path | None = None
    _swap_staged: tuple[Checkpoint, dict[str, torch.Tensor]] | None = None
    _swap_outcome: dict[str, str] = {"state": "idle"}  # noqa: RUF012  (replaced as a whole, never changed)

    def swap_status(self) -> dict[str, str]:
        """`state` is idle, staging, staged, refused, incompatible or failed, with a `message` for the last three."""
        previous = {"previous": str(self._swap_previous)} if self._swap_previous else {}
        return {**self._swap_outcome, "served": str(self._swap_served_checkpoint().path), **previous}

    def swap_stage(self, path: str) -> None:
        """Start reading and checking a checkpoint in the background; the status tells how that ends."""
        served = self._swap_served_checkpoint()
        self._swap_staged = None
        self._swap_outcome = {"state": "staging", "path": path}
        threading.Thread(target=self._swap_read, args=(served, Path(path)), name="swap-stage", daemon=True).start()

    def swap_discard(self) -> None:
        """Free what was staged."""
        self._swap_staged = None
        self._swap_outcome = {"state": "idle"}

    def swap_commit(self) -> dict[str, str]:
        """Copy the staged weights into the live tensors.  The engine must be paused."""
        if self._swap_staged is None:
            return {"state": "failed", "message": f"nothing is staged: {self._swap_outcome}"}
        served, (new, tensors) = self._swap_served_checkpoint(), self._swap_staged
        self.swap_discard()
        try:
            self.reload_weights(weights_iterator=iter(tensors.items()))
            self._swap_repack_tied_head()
        except Exception as error:  # noqa: BLE001  (the edge of the process: whatever it is, the endpoint restores all)
            return {"state": "failed", "message": f"{type(error).__name__}: {error}"}
        self._swap_adopt(new.path, previous=served.path)
        return {"state": "committed"}

    def swap_rollback(self) -> dict[str, str]:
        """Load the folder that was served before the last commit.  The engine must be paused."""
        if self._swap_previous is None:
            return {"state": "failed", "message": "there is nothing to go back to"}
        target = self._swap_previous
        self._swap_load(target)
        self._swap_adopt(target, previous=None)
        return {"state": "committed"}

    def swap_restore(self, path: str) -> None:
        """Load the folder that was served before a failed exchange, and forget it.  The engine must be paused."""
        self._swap_load(Path(path))
        self._swap_adopt(Path(path), previous=None)

    def swap_free_bytes(self) -> int:
        """Free memory of the device, or where that is the CPU, how little this process takes (a negative number)."""
        if torch.cuda.is_available():
            return int(torch.cuda.mem_get_info()[0])
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return -pages * os.sysconf("SC_PAGE_SIZE")

    def _swap_served_checkpoint(self) -> Checkpoint:
        """What is served, as first read: a swap changes its path only, since all else must be equal."""
        if self._swap_served is None:
            self._swap_served = read(Path(self.vllm_config.model_config.model))
        return self._swap_served

    def _swap_adopt(self, path: Path, previous: Path | None) -> None:
        served = self._swap_served_checkpoint()
        self._swap_served = Checkpoint(path, served.config, served.tokenizer, served.tensors)
        self._swap_previous = previous
        self.vllm_config.model_config.model = str(path)

    def _swap_read(self, served: Checkpoint, path: Path) -> None:
        try:
            new = read(path)
            incompatible = None
            try:
                check_compatible(served, new)
                check_tensors(served, new)
            except Incompatible as error:
                check_own_config(new)
                incompatible = error
            tensors = {}
            for name, value in weights(new):
                # An incompatible checkpoint is read to the end all the same: a broken one must not cause a restart.
                if incompatible is None:
                    tensors[name] = value
            if incompatible is not None:
                raise incompatible
        except Incompatible as error:
            self._swap_outcome = {"state": "incompatible", "path": str(path), "message": str(error)}
        except Refused as error:
            self._swap_outcome = {"state": "refused", "path": str(path), "message": str(error)}
        except Exception as error:  # noqa: BLE001  (the edge of the thread: the status must not stay at "staging")
            self._swap_outcome = {"state": "refused", "path": str(path), "message": f"{type(error).__name__}: {error}"}
        else:
            self._swap_staged = (new, tensors)
            self._swap_outcome = {"state": "staged", "path": str(path)}

    def _swap_load(self, path: Path) -> None:
        """Load a folder that this server has served before, from disk, also after a copy that broke off."""
        self._swap_undo_partial_reload()
        self.reload_weights(weights_path=str(path))
        self._swap_repack_tied_head()

    def _swap_undo_partial_reload(self) -> None:
        """Give the layers of a reload that broke off their tensors back, and forget the weights it had buffered."""
        for layer in self.model_runner.get_model().modules():
            progress = layerwise.get_layerwise_info(layer)
            if progress.can_load() and progress.kernel_tensors is not None:
                layerwise._place_kernel_tensors(layer, progress)
            progress.reset()
        layerwise.LOADING_LAYERS.clear()

    def _swap_repack_tied_head(self) -> None:
        """On CPU a tied lm_head computes with its own packed copy of the embedding, which a reload leaves as it was."""
        model = self.model_runner.get_model()
        head, embedding = getattr(model, "lm_head", None), getattr(getattr(model, "model", None), "embed_tokens", None)
        if head is None or embedding is None or head is embedding or not hasattr(head, "cpu_linear"):
            return
        if getattr(head, "weight", None) is embedding.weight:
            head.quant_method.process_weights_after_loading(head)
