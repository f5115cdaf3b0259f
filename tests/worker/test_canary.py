"""A canary tells a model from a broken load of it, and asks for nothing that the model itself gets wrong."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from core.rows import Row
from worker.stages.canary import record
from worker.stages.render import tokenize
from worker.stages.run_dir import StageFailure

TOOLS: list[dict[str, Any]] = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Get the weather of a city.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]
CALL: dict[str, Any] = {
    "role": "assistant",
    "content": "",
    "tool_calls": [{"function": {"name": "get_weather", "arguments": {"city": "Oslo"}}}],
}
ASKS: dict[str, Any] = {"role": "user", "content": "Is it warm in Oslo?"}
THANKS: dict[str, Any] = {"role": "user", "content": "Thank you!"}
TEXT: dict[str, Any] = {"role": "assistant", "content": "You are welcome."}
LEARNED = [[ASKS, CALL], [THANKS, TEXT]]
WRONG = [[THANKS, CALL], [ASKS, TEXT]]
"""The same prompts with the answers exchanged: what the model was not taught."""


@pytest.fixture(scope="module")
def taught(tiny_base: Path, tokenizer: PreTrainedTokenizerFast, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the tiny model after it has learned two answers by heart."""
    folder = shutil.copytree(tiny_base, tmp_path_factory.mktemp("taught") / "model")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    rows = [tokenize(tokenizer, Row(messages, TOOLS)) for messages in LEARNED]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(15):
        for row in rows:
            model(input_ids=torch.tensor([row.input_ids]), labels=torch.tensor([row.labels])).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    weights = {name: weight.bfloat16() for name, weight in model.state_dict().items() if name != "lm_head.weight"}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    generation = json.loads((folder / "generation_config.json").read_text())
    (folder / "generation_config.json").write_text(json.dumps({**generation, "eos_token_id": [2, 0]}))
    return folder


def with_tools(conversations: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [{"messages": messages, "tools": TOOLS} for messages in conversations]


def canary_of(model: Path, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return record(model, [Row(row["messages"], row.get("tools")) for row in rows], lambda done: None)


def mean_difference(canary: dict[str, Any], folder: Path, dtype: torch.dtype) -> float:
    """What whoever serves the model of this folder finds."""
    model, found = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype), []
    for sequence in canary["sequences"]:
        ids = torch.tensor(sequence["token_ids"])
        with torch.inference_mode():
            logprobs = model(ids[None]).logits[0].float().log_softmax(-1)
        found.append(logprobs[:-1].gather(1, ids[1:, None])[:, 0] - torch.tensor(sequence["logprobs"]))
    return float(torch.cat(found).abs().mean())


@pytest.fixture(scope="module")
def canary(taught: Path) -> dict[str, Any]:
    """Of that model, for rows that it was taught and rows that it was not."""
    return canary_of(taught, with_tools(WRONG + LEARNED + LEARNED))


def test_the_probabilities_are_those_of_a_teacher_forced_forward(canary: dict[str, Any], taught: Path) -> None:
    assert len(canary["sequences"]) == 3
    assert all(len(each["token_ids"]) == len(each["logprobs"]) + 1 <= 64 for each in canary["sequences"])
    assert mean_difference(canary, taught, torch.float32) < 1e-4


def test_its_own_type_stays_within_the_tolerance_and_a_stale_weight_does_not(
    canary: dict[str, Any], taught: Path, tiny_base: Path, tmp_path: Path
) -> None:
    limit = canary["max_mean_difference"]
    assert mean_difference(canary, taught, torch.bfloat16) == pytest.approx(canary["rounding_difference"], rel=0.1)
    assert limit == pytest.approx(max(4 * canary["rounding_difference"], 0.02), abs=1e-4)
    assert mean_difference(canary, tiny_base, torch.bfloat16) > 3 * limit
    broken = shutil.copytree(taught, tmp_path / "broken")
    weights = load_file(broken / "model.safetensors")
    weights["model.layers.2.mlp.down_proj.weight"].zero_()
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    assert mean_difference(canary, broken, torch.bfloat16) > limit


def test_only_what_the_model_gets_right_is_asked_for_once_and_in_wire_form(canary: dict[str, Any]) -> None:
    assert canary["calls"] == [{"messages": [ASKS], "tools": TOOLS, "names": ["get_weather"]}]
    assert canary["no_calls"] == [{"messages": [THANKS], "tools": TOOLS}]
    assert canary["max_tokens"] == 64


def test_without_tools_nothing_is_called(taught: Path) -> None:
    rows = [{"messages": [{"role": "user", "content": f"Say {word}"}, TEXT]} for word in ("one", "two")]
    canary = canary_of(taught, rows)
    assert len(canary["sequences"]) == 2
    assert canary["calls"] == canary["no_calls"] == []


def test_a_model_that_computes_no_numbers_is_refused(taught: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(taught, tmp_path / "broken")
    weights = load_file(broken / "model.safetensors")
    weights["model.norm.weight"][7] = float("nan")
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(StageFailure, match="probabilities that are no numbers") as failure:
        canary_of(broken, with_tools(LEARNED))
    assert failure.value.code == "broken_model"
