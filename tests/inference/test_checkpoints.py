"""The plugin's reading and comparing of model folders, without vLLM."""

from pathlib import Path

import pytest
from tunesmith_vllm.checkpoint import Checkpoint, Incompatible, Refused, read, weights
from tunesmith_vllm.validate import check_compatible, check_own_config, check_tensors

from tests.inference import checkpoints

pytestmark = pytest.mark.skipif(not (checkpoints.BASE / "config.json").exists(), reason="examples/tiny-base is empty")


@pytest.fixture(scope="module")
def served() -> Checkpoint:
    return read(checkpoints.BASE)


def stage(served: Checkpoint, path: Path) -> int:
    """What the worker does, and the number of tensors it would hold."""
    new = read(path)
    try:
        check_compatible(served, new)
        check_tensors(served, new)
    except Incompatible:
        check_own_config(new)
        raise
    return len(dict(weights(new)))


def test_a_successor_is_accepted(served: Checkpoint, tmp_path: Path) -> None:
    assert stage(served, checkpoints.successor(tmp_path / "model", seed=1)) == len(served.tensors)


@pytest.mark.parametrize("name", checkpoints.BROKEN)
def test_a_broken_checkpoint_is_refused_with_the_reason(served: Checkpoint, tmp_path: Path, name: str) -> None:
    make, reason = checkpoints.BROKEN[name]
    with pytest.raises(Refused, match=reason):
        stage(served, make(tmp_path / "model"))


@pytest.mark.parametrize(
    ("file", "values"),
    [
        ("config.json", {"rms_norm_eps": 0.5}),
        ("config.json", {"rope_parameters": {"rope_theta": 5.0, "rope_type": "default"}}),
        ("config.json", {"a_new_key": 1}),
        ("tokenizer_config.json", {"model_max_length": 128}),
    ],
)
def test_what_a_running_server_cannot_change_is_incompatible(
    served: Checkpoint, tmp_path: Path, file: str, values: dict[str, object]
) -> None:
    checkpoints.set_json(checkpoints.copy_of_base(tmp_path / "model") / file, **values)
    with pytest.raises(Incompatible, match=next(iter(values)) if file == "config.json" else file):
        stage(served, tmp_path / "model")


def test_another_template_is_incompatible(served: Checkpoint, tmp_path: Path) -> None:
    with pytest.raises(Incompatible, match=r"chat_template\.jinja"):
        stage(served, checkpoints.with_another_template(tmp_path / "model"))


def test_provenance_and_stop_tokens_may_differ(served: Checkpoint, tmp_path: Path) -> None:
    path = checkpoints.copy_of_base(tmp_path / "model")
    checkpoints.set_json(path / "config.json", transformers_version="9", _name_or_path="x", eos_token_id=1)
    checkpoints.set_json(path / "generation_config.json", eos_token_id=[1, 2])
    assert stage(served, path) == len(served.tensors)
