"""A base model's id says its name and its content: neither the place nor the name of the folder above counts."""

import json
import re
import shutil
import struct
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from core.base_model import base_id
from core.errors import BadData


@pytest.fixture
def tiny_base() -> Path:
    """The folder of the tiny base model."""
    return Path(__file__).parents[2] / "examples" / "tiny-base"


@pytest.fixture
def folder(tiny_base: Path, tmp_path: Path) -> Path:
    """A copy of the base, as `tmp_path/here/tiny-base`."""
    return shutil.copytree(tiny_base, tmp_path / "here" / "tiny-base")


def test_it_is_a_path_segment_with_name_and_digest(tiny_base: Path) -> None:
    assert re.fullmatch(r"base:tiny-base:[0-9a-f]{8}", base_id("./examples/tiny-base", tiny_base))
    assert re.fullmatch(r"base:Qwen2.5-3B:[0-9a-f]{8}", base_id("Qwen/Qwen2.5-3B", tiny_base))


@pytest.mark.parametrize("spelling", [".", "./", "../tiny-base", "./examples/tiny-base/", "/models/tiny-base"])
def test_every_spelling_of_the_same_folder_is_the_same_model(spelling: str, tiny_base: Path) -> None:
    assert base_id(spelling, tiny_base) == base_id("./examples/tiny-base", tiny_base)


def test_a_folder_that_has_moved_is_the_same_model(tiny_base: Path, folder: Path) -> None:
    before = base_id(str(tiny_base), tiny_base)
    assert base_id(str(folder), folder) == before
    (folder / "README.md").write_text("other words")
    assert base_id(str(folder), folder) == before, "no server reads it"


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "chat_template.jinja"])
def test_another_config_tokenizer_or_template_is_another_model(file: str, folder: Path) -> None:
    before = base_id(str(folder), folder)
    with (folder / file).open("a") as text:
        text.write("\n")
    assert base_id(str(folder), folder) != before


def test_models_tuned_from_the_same_one_differ_though_only_weights_do(folder: Path) -> None:
    before, weights = base_id(str(folder), folder), load_file(folder / "model.safetensors")
    size = (folder / "model.safetensors").stat().st_size
    weights["model.layers.4.mlp.down_proj.weight"] *= 1.01
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert (folder / "model.safetensors").stat().st_size == size
    assert base_id(str(folder), folder) != before


@pytest.mark.parametrize("content", [b"", b"short", struct.pack("<Q", 2**63) + b"{", struct.pack("<Q", 2) + b"[]"])
def test_a_damaged_file_has_an_id_and_is_left_to_whoever_loads_it(folder: Path, content: bytes) -> None:
    (folder / "model.safetensors").write_bytes(content)
    assert base_id(str(folder), folder).startswith("base:tiny-base:")


def test_a_folder_that_is_gone_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"the base model's folder .*gone is not there"):
        base_id(str(tmp_path / "gone"), tmp_path / "gone")


def test_a_sample_is_all_that_is_read_of_the_weights(folder: Path) -> None:
    # A sparse file of 40 GB in one tensor: reading all of it would take minutes.
    header = json.dumps({"w": {"dtype": "BF16", "shape": [20_000_000_000], "data_offsets": [0, 40_000_000_000]}})
    with (folder / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header.encode())
        file.truncate(8 + len(header) + 40_000_000_000)
    assert base_id(str(folder), folder).startswith("base:tiny-base:")
