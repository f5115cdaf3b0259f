"""The check of a merge lets the good one pass, and stops each broken one by the condition that is about it."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from core.storage import read_json, write_json
from core.verdict import Verdict
from tests.worker.lora import trained_run
from tests.worker.test_canary import LEARNED, WRONG, with_tools
from tests.worker.training import events, run_to_end
from worker.stages.adapters import WEIGHTS, read_adapter
from worker.stages.merge import merge, write_config
from worker.stages.run_dir import Exit, RunDir
from worker.stages.verify import judge

ROWS = with_tools(LEARNED + WRONG)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of a stage that was trained and merged, by nobody's mistake."""
    run = trained_run(tmp_path_factory.mktemp("trained") / "job", ROWS)
    merged(run).mkdir(parents=True)
    merge_scaled(run, 1)
    write_config(base(run), merged(run))
    return run


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy of it, to be broken."""
    shutil.copytree(trained.parent, tmp_path / "job")
    copy = tmp_path / "job" / "run"
    write_json(copy / "spec.json", json.loads(json.dumps(read_json(copy / "spec.json")).replace(*paths(trained, copy))))
    return copy


def paths(old: Path, new: Path) -> tuple[str, str]:
    return str(old.parent), str(new.parent)


def merged(run: Path) -> Path:
    return Path(read_json(run / "spec.json")["output"])


def base(run: Path) -> Path:
    return Path(read_json(run / "spec.json")["model"])


def merge_scaled(run: Path, factor: float) -> None:
    """Merge as if the adapter's alpha were so many times what it was trained with."""
    adapter = read_adapter(run / "adapter")
    merge(base(run), dataclasses.replace(adapter, scale=factor * adapter.scale), merged(run))


def verdict_of(run: Path) -> dict[str, bool | None]:
    return {each.name: each.passed for each in fidelity(run).conditions}


def fidelity(run: Path) -> Verdict:
    return judge(RunDir(run).spec(), run / "adapter")[0]


def failing(name: str) -> dict[str, bool]:
    return {each: each != name for each in ("merge.weight_delta", "merge.kl", "merge.tokenizer")}


def test_a_good_merge_passes_far_below_its_bound(trained: Path) -> None:
    assert run_to_end("verify", trained) == Exit.DONE
    result = read_json(trained / "verify.json")
    found = Verdict.model_validate(result["fidelity"])
    assert (found.passed, found.failures) == (True, [])
    assert result["canary"]["sequences"]
    kl = next(each for each in found.conditions if each.name == "merge.kl")
    assert kl.figure is not None
    assert kl.bound is not None
    assert kl.figure < kl.bound / 50
    assert next(each for each in found.conditions if each.name == "merge.weight_delta").n == 15


def test_an_adapter_of_zeros_is_stopped_by_the_weights(run: Path) -> None:
    weights = load_file(run / "adapter" / WEIGHTS)
    save_file({k: torch.zeros_like(v) if "lora_B" in k else v for k, v in weights.items()}, run / "adapter" / WEIGHTS)
    merge_scaled(run, 1)
    assert verdict_of(run) == failing("merge.weight_delta")
    [said] = fidelity(run).failures
    assert said.startswith("0 of 15 adapted modules have other weights than the base; these have the same")


def test_one_module_that_was_left_out_is_named(run: Path) -> None:
    name, old = "model.layers.2.self_attn.v_proj.weight", load_file(base(run) / "model.safetensors")
    weights = load_file(merged(run) / "model.safetensors")
    save_file({**weights, name: old[name]}, merged(run) / "model.safetensors", metadata={"format": "pt"})
    found = {each.name: each for each in fidelity(run).conditions}
    assert not found["merge.weight_delta"].passed
    assert found["merge.weight_delta"].text.endswith("in them: model.layers.2.self_attn.v_proj")


@pytest.mark.parametrize("factor", [0.5, 1.25, 2])
def test_a_wrong_alpha_is_stopped_by_the_divergence(run: Path, factor: float) -> None:
    merge_scaled(run, factor)
    assert verdict_of(run) == failing("merge.kl")


def test_the_alpha_is_that_of_the_adapter_itself(run: Path) -> None:
    """Whoever changes the adapter's config after the merge has another model than the merged one."""
    config = read_json(run / "adapter" / "adapter_config.json")
    write_json(run / "adapter" / "adapter_config.json", {**config, "lora_alpha": 2 * config["lora_alpha"]})
    assert verdict_of(run) == failing("merge.kl")


def swap_tokenizer(folder: Path) -> None:
    tokenizer = read_json(folder / "tokenizer.json")
    tokenizer["model"]["merges"] = tokenizer["model"]["merges"][:-100]
    write_json(folder / "tokenizer.json", tokenizer)


def change_template(folder: Path) -> None:
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text() + "{# another #}")


def lose_template(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()


def stop_elsewhere(folder: Path) -> None:
    write_config(Path(__file__).parents[2] / "examples" / "tiny-base", folder)
    write_json(folder / "generation_config.json", {**read_json(folder / "generation_config.json"), "eos_token_id": 0})


def sample_hotter(folder: Path) -> None:
    write_json(folder / "generation_config.json", {**read_json(folder / "generation_config.json"), "temperature": 2.0})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (swap_tokenizer, "tokenizer.json is not that of the training"),
        (change_template, "chat_template.jinja is not that of the training"),
        (lose_template, "chat_template.jinja is not that of the training"),
        (stop_elsewhere, "generation_config.json does not stop at '<|im_end|>', which ended trained answers"),
        (sample_hotter, "generation_config.json has other settings than the base's"),
    ],
)
def test_a_swapped_tokenizer_template_or_config_is_stopped_by_the_files(run: Path, change: Any, said: str) -> None:
    change(merged(run))
    assert verdict_of(run) == failing("merge.tokenizer")
    assert fidelity(run).failures == [said]


def test_a_broken_merge_gets_no_canary_and_the_program_says_so(run: Path) -> None:
    merge_scaled(run, 2)
    assert run_to_end("verify", run) == Exit.DONE
    result = read_json(run / "verify.json")
    assert (result["fidelity"]["passed"], result["canary"]) == (False, None)
    assert events(run, "canary.skipped")[0]["why"] == "the merged model is not what was trained"


def test_without_room_for_a_model_the_weights_and_files_are_checked_still(run: Path) -> None:
    with (merged(run) / "more.safetensors").open("wb") as file:
        file.truncate(1 << 40)  # sparse: it is its size that counts
    assert run_to_end("verify", run) == Exit.DONE
    result = read_json(run / "verify.json")
    passed = {each["name"]: each["passed"] for each in result["fidelity"]["conditions"]}
    assert passed == {"merge.weight_delta": True, "merge.kl": None, "merge.tokenizer": True}
    assert (result["fidelity"]["passed"], result["canary"]) == (True, None)
    assert events(run, "canary.skipped")[0]["why"].startswith("memory has no room for the merged model")


def test_under_a_limit_that_the_program_alone_is_above_nothing_is_judged(run: Path) -> None:
    write_json(run / "spec.json", {**read_json(run / "spec.json"), "memory_limit_bytes": 10 * 2**20})
    assert run_to_end("verify", run) == Exit.DONE
    result = read_json(run / "verify.json")
    assert [each["passed"] for each in result["fidelity"]["conditions"]] == [None]
    assert result["canary"] is None
