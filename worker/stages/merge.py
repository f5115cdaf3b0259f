"""Stage program: base + adapter -> a merged 16-bit model, tensor by tensor in float32, written whole or not at all.

Beside it, in `adapter/`, are the adapters of the job's stages so far as one (`worker.stages.adapters`): on the job's
base it makes the same model.  No model object and no GPU: memory holds one shard at a time.  The base's own config
files are kept, and `generation_config.json` stops at the end of a chat turn, or the tuned model would never stop.
"""

import shutil
import time
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from core.manifest import AdapterFiles, Manifest
from core.model_card import write_card
from core.pins import file_sha256
from core.storage import new_directory, read_json, write_json
from worker.stages import provenance
from worker.stages.adapters import CONFIG, PREFIX, Adapter, concatenate, read_adapter
from worker.stages.run_dir import Exit, RunDir, StageFailure, StageRun, run_program

TURN_END = "<|im_end|>"
_NOT_COPIED = (".safetensors", ".bin", ".pt", ".pth", ".gguf", "manifest.json", "evaluation.json", "README.md")


def main(run: RunDir) -> None:
    """Write the merged model to the spec's output folder, its `manifest.json` last, and `merge.json`."""
    spec, started = run.spec(), time.monotonic()
    target = Path(spec.output)
    with new_directory(target, below=run.path) as folder:  # so that only the newest run can publish
        adapter = read_adapter(run.path / "adapter")
        merged = merge(Path(spec.model), adapter, folder)
        stop_ids = write_config(Path(spec.model), folder)
        rank = write_adapter(spec, adapter, folder / "adapter")
        made = manifest(spec, run, folder, merged, stop_ids, rank)
        write_card(folder, made)
        write_json(folder / "manifest.json", made.model_dump(mode="json"))
        run.check_newest()
    run.finish("merge", {"tensors": merged, "merge_s": round(time.monotonic() - started, 3)})


def merge(base: Path, adapter: Adapter, target: Path) -> int:
    """Write every shard of the base with the adapter's update added; returns how many tensors changed."""
    updates = _Updates(load_file(adapter.weights), adapter.scale)
    for shard in sorted(base.glob("*.safetensors")):
        with safe_open(shard, "pt") as tensors:
            merged = {name: updates.apply(name, tensors.get_tensor(name)) for name in tensors.keys()}  # noqa: SIM118
            metadata = tensors.metadata() or {"format": "pt"}
        save_file(merged, target / shard.name, metadata=metadata)
    if updates.unused:
        names = ", ".join(sorted(updates.unused)[:3])
        raise StageFailure(Exit.FAILED, "adapter_mismatch", f"the base has no tensors for the adapter's {names}")
    return updates.applied


class _Updates:
    """The adapter's low-rank updates by the name of the tensor they belong to."""

    def __init__(self, weights: dict[str, torch.Tensor], scale: float) -> None:
        self.weights, self.scale, self.applied = weights, scale, 0
        suffix = ".lora_A.weight"
        self.unused = {k.removeprefix(PREFIX).removesuffix(suffix) for k in weights if k.endswith(suffix)}

    def apply(self, name: str, weight: torch.Tensor) -> torch.Tensor:
        """`weight + scale * B @ A`, computed in float32 and returned in the weight's own type."""
        module = name.removesuffix(".weight")
        down = self.weights.get(f"{PREFIX}{module}.lora_A.weight")
        if down is None:
            return weight
        up = self.weights[f"{PREFIX}{module}.lora_B.weight"]
        self.unused.discard(module)
        self.applied += 1
        return (weight.float() + self.scale * (up.float() @ down.float())).to(weight.dtype)


def write_config(base: Path, target: Path) -> list[int]:
    """Copy the base's config and tokenizer; make generation stop at the end of a turn.  Returns the stop ids."""
    for file in base.iterdir():
        if file.is_file() and not file.name.endswith(_NOT_COPIED):
            shutil.copy2(file, target / file.name)
    # Not by transformers, which takes twice as long to load as everything else here.
    turn_end = Tokenizer.from_file(str(base / "tokenizer.json")).token_to_id(TURN_END)
    path = target / "generation_config.json"
    generation: dict[str, Any] = read_json(path) if path.exists() else {}
    stops = generation.get("eos_token_id", read_json(base / "config.json").get("eos_token_id"))
    stops = stops if isinstance(stops, list) else [stops]
    generation["eos_token_id"] = [turn_end, *(stop for stop in stops if stop not in (None, turn_end))]
    write_json(path, generation)
    stop_ids: list[int] = generation["eos_token_id"]
    return stop_ids


def write_adapter(spec: StageRun, own: Adapter, target: Path) -> int | None:
    """Write the adapters of the stages up to this one as one, and return its rank.

    None, and nothing written, where the stage before was merged by a version that wrote none.
    """
    if spec.earlier_adapter is None:
        return concatenate([own], spec.tokenizer, target)
    earlier = Path(spec.earlier_adapter)
    if not (earlier / CONFIG).exists():
        return None
    return concatenate([read_adapter(earlier), own], spec.tokenizer, target)


def manifest(
    spec: StageRun, run: RunDir, folder: Path, merged: int, stop_ids: list[int], adapter_rank: int | None
) -> Manifest:
    """What the model is, what it was made of and with what, with a digest of every file."""
    adapter = None
    if adapter_rank is not None:
        adapter = AdapterFiles(rank=adapter_rank, files=_digests(folder / "adapter"))
    return Manifest(
        model=spec.model_name,
        job_id=spec.job_id,
        stage=spec.stage.name,
        created_at=int(time.time()),
        base=provenance.base(spec),
        parent=provenance.parent(spec),
        data=provenance.sources(run),
        rows=provenance.row_counts(run),
        spec=spec.job.model_dump(mode="json") if spec.job else {},
        stage_spec=spec.stage.model_dump(mode="json"),
        seed=spec.seed,
        training=provenance.training(run, spec),
        software=provenance.software(),
        merged_tensors=merged,
        stop_token_ids=stop_ids,
        files=_digests(folder),
        adapter=adapter,
    )


def _digests(folder: Path) -> dict[str, str]:
    return {file.name: file_sha256(file) for file in sorted(folder.iterdir()) if file.is_file()}


if __name__ == "__main__":
    run_program(main)
