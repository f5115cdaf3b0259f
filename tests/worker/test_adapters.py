"""The adapters of a job's stages, as one adapter on the base, make the model that the chain of merges makes."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from tests.worker.training import leave_results, run_directory, run_to_end
from worker.stages.adapters import Adapter, concatenate, read_adapter
from worker.stages.merge import merge
from worker.stages.run_dir import Exit, StageFailure

QUERY = "model.layers.0.self_attn.q_proj"
VALUE = "model.layers.2.self_attn.v_proj"
DOWN = "model.layers.1.mlp.down_proj"
MODULES = (QUERY, VALUE, DOWN)


def shape_of(module: str) -> tuple[int, int]:
    return (192, 512) if module.endswith("down_proj") else (192, 192)


def write_adapter(folder: Path, *modules: str, seed: int, r: int = 4, **config: Any) -> Path:
    """An adapter with random weights, large enough to tell them from the rounding of the merged ones."""
    folder.mkdir(parents=True)
    random = torch.Generator().manual_seed(seed)
    weights = {}
    for module in modules:
        up, down = shape_of(module)
        weights[f"base_model.model.{module}.lora_A.weight"] = torch.randn(r, down, generator=random) / 14
        weights[f"base_model.model.{module}.lora_B.weight"] = torch.randn(up, r, generator=random) / 12
    save_file(weights, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps({"r": r, "lora_alpha": 8, **config}))
    return folder


def chain(folder: Path) -> list[Adapter]:
    """Three stages' adapters of other ranks, scales and modules."""
    return [
        read_adapter(write_adapter(folder / "1", QUERY, DOWN, seed=1)),
        read_adapter(write_adapter(folder / "2", QUERY, VALUE, seed=2, r=9, lora_alpha=6, use_rslora=True)),
        read_adapter(write_adapter(folder / "3", QUERY, VALUE, seed=3, r=3, lora_alpha=3)),
    ]


def update(adapter: Adapter, module: str) -> torch.Tensor:
    weights = load_file(adapter.weights)
    up, down = (weights.get(f"base_model.model.{module}.lora_{part}.weight") for part in "BA")
    return torch.zeros(shape_of(module)) if up is None or down is None else adapter.scale * (up @ down)


def merged(base: Path, adapter: Adapter, folder: Path) -> dict[str, torch.Tensor]:
    folder.mkdir()
    merge(base, adapter, folder)
    return load_file(folder / "model.safetensors")


def test_one_adapter_adds_what_all_of_them_add(tmp_path: Path) -> None:
    adapters = chain(tmp_path)
    assert concatenate(adapters[:2], "base", tmp_path / "first two") == 13
    assert concatenate([read_adapter(tmp_path / "first two"), adapters[2]], "base", tmp_path / "all") == 16
    one = read_adapter(tmp_path / "all")
    assert (one.rank, one.scale) == (16, 1.0)
    for module in MODULES:
        expected = sum((update(adapter, module) for adapter in adapters), torch.zeros(shape_of(module)))
        torch.testing.assert_close(update(one, module), expected, rtol=0, atol=1e-6)


def test_on_the_base_it_makes_the_model_of_the_merges_but_for_their_rounding(tiny_base: Path, tmp_path: Path) -> None:
    adapters = chain(tmp_path)
    concatenate(adapters, str(tiny_base), tmp_path / "one")
    model = tiny_base
    for number, adapter in enumerate(adapters):
        step_by_step = merged(model, adapter, tmp_path / f"model {number}")
        model = tmp_path / f"model {number}"
    at_once = merged(tiny_base, read_adapter(tmp_path / "one"), tmp_path / "at once")
    base = load_file(tiny_base / "model.safetensors")
    changed = {name for name in base if not torch.equal(base[name], at_once[name])}
    assert changed == {f"{module}.weight" for module in MODULES}
    for name, weight in step_by_step.items():
        # Each merge rounds to bf16 once, by half of 2**-8 at most; intermediate sums may be larger than the last one.
        torch.testing.assert_close(at_once[name].float(), weight.float(), rtol=2**-7, atol=2**-9)


def test_peft_loads_it_and_computes_what_the_merged_model_computes(tiny_base: Path, tmp_path: Path) -> None:
    queries, values = (
        [f"model.layers.{layer}.self_attn.{part}" for layer in range(5)] for part in ("q_proj", "v_proj")
    )
    stages = [
        read_adapter(write_adapter(tmp_path / "1", *queries, seed=1)),
        read_adapter(write_adapter(tmp_path / "2", *queries, *values, seed=2)),
    ]
    concatenate(stages, str(tiny_base), tmp_path / "one")
    merged(tiny_base, read_adapter(tmp_path / "one"), tmp_path / "model")
    shutil.copy(tiny_base / "config.json", tmp_path / "model")
    base, whole = (
        AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32) for path in (tiny_base, tmp_path / "model")
    )
    ids = torch.arange(20, 60)[None]
    with torch.inference_mode():
        before, expected = base(ids).logits, whole(ids).logits
        served = PeftModel.from_pretrained(base, str(tmp_path / "one"))(ids).logits
    moved, left = (before - expected).abs().mean(), (served - expected).abs().mean()
    assert left < moved / 20, "what is left is the rounding of the merged weights to bf16"


@pytest.mark.parametrize(
    "config", [{"use_dora": True}, {"modules_to_save": ["lm_head"]}, {"rank_pattern": {"q_proj": 8}}]
)
def test_other_kinds_of_adapter_are_refused(tmp_path: Path, config: dict[str, Any]) -> None:
    with pytest.raises(StageFailure, match="only plain LoRA"):
        read_adapter(write_adapter(tmp_path / "adapter", QUERY, seed=1, **config))


# ------------------------------------------------------------------ the program


def merge_stage(folder: Path, seed: int, earlier: Path | None) -> Path:
    """Run the merge program over a stage's adapter, and return the model's folder."""
    run = run_directory(folder, rows=1)
    spec = json.loads((run / "spec.json").read_text())
    if earlier is not None:
        spec |= {"model": str(earlier), "earlier_adapter": str(earlier / "adapter")}
    (run / "spec.json").write_text(json.dumps(spec))
    leave_results(run)
    write_adapter(run / "adapter", QUERY, DOWN, seed=seed)
    assert run_to_end("merge", run) == Exit.DONE
    return Path(spec["output"])


def test_every_stage_has_the_adapter_of_all_stages_so_far(tiny_base: Path, tmp_path: Path) -> None:
    first = merge_stage(tmp_path / "chat", 1, None)
    second = merge_stage(tmp_path / "tools", 2, first)
    digest = hashlib.sha256((first / "manifest.json").read_bytes()).hexdigest()
    assert json.loads((second / "manifest.json").read_text())["parent"] == {"model": "m", "manifest_sha256": digest}
    manifests = [json.loads((folder / "manifest.json").read_text()) for folder in (first, second)]
    assert [manifest["adapter"]["rank"] for manifest in manifests] == [4, 8]
    assert manifests[1]["adapter"]["files"].keys() == {"adapter_config.json", "adapter_model.safetensors"}
    assert "adapter" not in manifests[1]["files"]
    config = json.loads((second / "adapter" / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["target_modules"]) == (8, 8, ["down_proj", "q_proj"])
    assert config["base_model_name_or_path"] == str(tiny_base)
    one = read_adapter(second / "adapter")
    own = [read_adapter(tmp_path / stage / "run" / "adapter") for stage in ("chat", "tools")]
    torch.testing.assert_close(update(one, DOWN), update(own[0], DOWN) + update(own[1], DOWN), rtol=0, atol=1e-6)


def test_after_a_stage_without_one_there_is_none(tmp_path: Path) -> None:
    first = merge_stage(tmp_path / "chat", 1, None)
    shutil.rmtree(first / "adapter")
    model = merge_stage(tmp_path / "tools", 2, first)
    assert json.loads((model / "manifest.json").read_text())["adapter"] is None
    assert not (model / "adapter").exists()
