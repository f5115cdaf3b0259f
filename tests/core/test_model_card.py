"""The card says what a stranger needs, in a form that the hub reads, and claims nothing that was not measured."""

import re
from typing import Any

import yaml

from core.manifest import Parent, SourceRecord
from core.model_card import card
from core.significance import rate
from tests.core.manifests import manifest

SCORES = {
    "version": 2,
    "headline": "tools",
    "suites": {
        "tools": {
            "kind": "held_out",
            "rows": 240,
            "function_name_and_args_accuracy": rate([True] * 220 + [False] * 20),
            "no_call_accuracy": None,
        }
    },
    "chat": {"loss": {"value": 0.733, "perplexity": 2.081, "tokens": 4321}},
}


def front_matter(text: str) -> dict[str, Any]:
    _, front, _ = text.split("---\n", 2)
    read: dict[str, Any] = yaml.safe_load(front)
    return read


def test_a_model_that_was_not_measured_claims_nothing() -> None:
    text = card(manifest(), None)
    front = front_matter(text)
    assert "It has not been measured." in text
    assert "model-index" not in front
    assert front["license"] == "unknown"
    assert "The licence of the base model is not known here" in text
    assert "base_model" not in front  # a folder of this machine is no name of the hub
    assert "`rows.jsonl`" in text
    assert "c" * 64 in text


def test_what_was_measured_stands_with_its_interval_and_number_of_rows() -> None:
    text = card(manifest(), SCORES)
    assert "| tools | right function and all arguments | 91.7% | 87.5% to 94.5% | 240 |" in text
    assert "no call where none is due" not in text
    assert "loss 0.7330, perplexity 2.081, over 4,321 tokens" in text
    [entry] = front_matter(text)["model-index"]
    [result] = entry["results"]
    assert result["dataset"] == {"type": "held_out", "name": "tools (240 rows)"}
    assert [(each["type"], each["value"]) for each in result["metrics"]] == [
        ("function_name_and_args_accuracy", 0.9167)
    ]


def test_a_loss_whose_perplexity_is_no_number_any_more_stands_alone() -> None:
    chat = {"loss": {"value": 812.5, "perplexity": None, "tokens": 4321}}
    assert "Held-out chat: loss 812.5000, over 4,321 tokens." in card(manifest(), {**SCORES, "chat": chat})


def test_a_model_of_the_hub_is_named_with_its_data_and_licence() -> None:
    base = manifest().base.model_copy(update={"name": "Qwen/Qwen2.5-3B", "license": "apache-2.0", "revision": "1" * 40})
    data = (SourceRecord(source="owner/rows", revision="2" * 40),)
    parent = Parent(model="ft:x-chat", manifest_sha256="3" * 64)
    text = card(manifest(base=base, data=data, parent=parent, stage="tools"), None)
    front = front_matter(text)
    assert (front["base_model"], front["datasets"]) == ("Qwen/Qwen2.5-3B", ["owner/rows"])
    assert front["license"] == "apache-2.0"
    assert "which started from `ft:x-chat`" in text
    assert "names the licence `apache-2.0`" in text


def test_every_table_is_whole() -> None:
    for block in re.findall(r"(?:^\|.*\n)+", card(manifest(), SCORES), re.MULTILINE):
        assert len({line.count("|") for line in block.splitlines()}) == 1
