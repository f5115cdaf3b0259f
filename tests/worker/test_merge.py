"""The streaming merge computes base + scale * B @ A exactly, and the result stops at the end of a turn."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from worker.stages.adapters import read_adapter
from worker.stages.merge import merge, write_config
from worker.stages.run_dir import StageFailure

MODULE = "model.layers.0.self_attn.q_proj"


def adapter(folder: Path, module: str = MODULE, shape: tuple[int, int] = (192, 192), **config: Any) -> Path:
    folder.mkdir()
    generator = torch.Generator().manual_seed(1)
    prefix = f"base_model.model.{module}"
    weights = {
        f"{prefix}.lora_A.weight": torch.randn(4, shape[1], generator=generator),
        f"{prefix}.lora_B.weight": torch.randn(shape[0], 4, generator=generator),
    }
    save_file(weights, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps({"r": 4, "lora_alpha": 8, **config}))
    return folder


def test_only_the_adapted_tensor_changes_and_by_exactly_the_update(tiny_base: Path, tmp_path: Path) -> None:
    lora = adapter(tmp_path / "adapter")
    target = tmp_path / "merged"
    target.mkdir()
    assert merge(tiny_base, read_adapter(lora), target) == 1
    base, merged = load_file(tiny_base / "model.safetensors"), load_file(target / "model.safetensors")
    assert base.keys() == merged.keys()
    weights = load_file(lora / "adapter_model.safetensors")
    up, down = (weights[f"base_model.model.{MODULE}.lora_{part}.weight"] for part in "BA")
    expected = (base[f"{MODULE}.weight"].float() + 2.0 * (up @ down)).to(torch.bfloat16)
    assert torch.equal(merged[f"{MODULE}.weight"], expected)
    assert all(torch.equal(base[name], merged[name]) for name in base if name != f"{MODULE}.weight")


def test_an_adapter_of_another_model_is_refused(tiny_base: Path, tmp_path: Path) -> None:
    lora = adapter(tmp_path / "adapter", module="model.layers.77.self_attn.q_proj")
    (tmp_path / "merged").mkdir()
    with pytest.raises(StageFailure, match=r"no tensors for the adapter's model.layers.77"):
        merge(tiny_base, read_adapter(lora), tmp_path / "merged")


def test_the_merged_model_stops_at_the_end_of_a_turn_first(tiny_base: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    shutil.copytree(tiny_base, base)
    (base / "generation_config.json").write_text('{"eos_token_id": 0}')
    target = tmp_path / "merged"
    target.mkdir()
    assert write_config(base, target) == [2, 0]
    assert json.loads((target / "generation_config.json").read_text())["eos_token_id"] == [2, 0]
    assert not list(target.glob("*.safetensors"))
