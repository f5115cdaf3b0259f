"""The model card, `README.md` beside a merged model: made of its manifest and, once it was measured, of its scores.

Its front matter is that of the Hugging Face hub.  JSON is YAML, so every value is written as JSON.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.manifest import Manifest
from core.spec import is_path
from core.storage import write_atomically

CARD = "README.md"
RATES = {
    "function_name_accuracy": "right function",
    "function_name_and_args_accuracy": "right function and all arguments",
    "no_call_accuracy": "no call where none is due",
    "no_call_precision": "none was due where it made no call",
    "malformed_call_rate": "malformed calls",
    "stop_rate": "answers that end by themselves",
}


def write_card(folder: Path, manifest: Manifest, scores: dict[str, Any] | None = None) -> None:
    """Write the card beside the model, in place of an earlier one."""
    write_atomically(folder / CARD, card(manifest, scores).encode())


def card(manifest: Manifest, scores: dict[str, Any] | None) -> str:
    """The card as Markdown; `scores` are those of the `evaluations` row, null before the model was measured."""
    sections = (
        _front_matter(manifest, scores),
        _what_it_is(manifest),
        _results(scores),
        _use(manifest),
        _data(manifest),
        _training(manifest),
        _limits(manifest),
        _again(manifest),
    )
    return "\n\n".join("\n".join(lines) for lines in sections) + "\n"


def _front_matter(manifest: Manifest, scores: dict[str, Any] | None) -> Iterator[str]:
    fields: dict[str, Any] = {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "license": manifest.base.license or "unknown",
        "tags": ["tunesmith", "unsloth", "trl", "sft", "lora"],
    }
    if not is_path(manifest.base.name):
        fields["base_model"] = manifest.base.name
    if on_hub := [record.source for record in manifest.data if record.revision is not None]:
        fields["datasets"] = on_hub
    if results := list(_index(scores)):
        fields["model-index"] = [{"name": manifest.model, "results": results}]
    yield "---"
    for name, value in fields.items():
        yield f"{name}: {json.dumps(value, ensure_ascii=False)}"
    yield "---"


def _index(scores: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    """Results in the hub's form, which has no place for intervals: the number of rows stands in the set's name."""
    for name, suite in _suites(scores):
        metrics = [{"type": metric, "name": RATES[metric], "value": rate["value"]} for metric, rate in _rates(suite)]
        if metrics:
            dataset = {"type": suite["kind"], "name": f"{name} ({suite['rows']:,} rows)"}
            yield {"task": {"type": "text-generation"}, "dataset": dataset, "metrics": metrics}


def _what_it_is(manifest: Manifest) -> Iterator[str]:
    made = datetime.fromtimestamp(manifest.created_at, UTC).date().isoformat()
    start = "that model" if manifest.parent is None else f"`{manifest.parent.model}`"
    yield f"# {manifest.model}"
    yield ""
    yield (
        f"A fine-tune of `{_shown(manifest.base.name)}` by QLoRA, merged to 16 bit: stage `{manifest.stage}` of job "
        f"`{manifest.job_id}`, which started from {start}. Made on {made} with Tunesmith. Beside it, `manifest.json` "
        "has every setting and digest" + (", and `adapter/` the same as a LoRA adapter." if manifest.adapter else ".")
    )


def _results(scores: dict[str, Any] | None) -> Iterator[str]:
    yield "## How well it does"
    yield ""
    rows = [
        (name, RATES[metric], f"{rate['value']:.1%}", f"{rate['low']:.1%} to {rate['high']:.1%}", f"{rate['n']:,}")
        for name, suite in _suites(scores)
        for metric, rate in _rates(suite)
    ]
    loss = ((scores or {}).get("chat") or {}).get("loss")
    if not rows and loss is None:
        yield "It has not been measured."
        return
    yield "Measured on the served model, with greedy answers, on the suites of its job."
    if rows:
        yield ""
        yield from _table(("suite", "of the answers", "share", "95% interval", "n"), rows)
    if loss is not None:
        yield ""
        perplexity = "" if loss["perplexity"] is None else f", perplexity {loss['perplexity']:.3f}"
        yield f"Held-out chat: loss {loss['value']:.4f}{perplexity}, over {loss['tokens']:,} tokens."


def _use(manifest: Manifest) -> Iterator[str]:
    yield "## How to call it"
    yield ""
    yield f"Serve it with `tunesmith deploy {manifest.model} --alias NAME`, then ask as you would ask OpenAI:"
    yield ""
    yield "```python"
    yield "from openai import OpenAI"
    yield ""
    yield 'client = OpenAI(base_url="http://HOST:8000/v1", api_key="KEY")'
    yield 'client.chat.completions.create(model="NAME", messages=[{"role": "user", "content": "Hello"}], temperature=0)'
    yield "```"
    yield ""
    yield (
        "Any server that loads a folder of transformers serves it too. Render prompts by `chat_template.jinja`, with "
        f"`tools=`, as in training, and stop at the tokens {', '.join(map(str, manifest.stop_token_ids))}."
    )


def _data(manifest: Manifest) -> Iterator[str]:
    counts = manifest.rows
    dropped = ", ".join(f"{count:,} {reason}" for reason, count in counts.dropped.items() if count) or "none"
    yield "## What it was trained on"
    yield ""
    yield (
        f"{counts.rows:,} rows of {counts.rows_in:,} ({counts.tokens:,} tokens, {counts.trained_tokens:,} of them "
        f"learned). Left out: {dropped}. Rows that answer a held-out question: {counts.overlap:,}. Every source that "
        "was read, the held-out ones too:"
    )
    yield ""
    told = [(f"`{record.source}`", f"`{record.sha256 or record.revision or 'not known'}`") for record in manifest.data]
    yield from _table(("source", "sha256 or commit"), told)


def _training(manifest: Manifest) -> Iterator[str]:
    stage, training = manifest.stage_spec, manifest.training
    lora, device = stage["lora"], training.device
    batch = stage["batch_size"] * stage["gradient_accumulation_steps"]
    steps = f"{training.steps:,} of {batch} rows, {stage['epochs']} epoch(s), {training.train_s:,.0f} s"
    rate = f"{stage['learning_rate']:g}, {stage['lr_scheduler']}, {stage['warmup_steps']} warm-up steps"
    ran_on = f"{device['backend']} ({device['name']}), {device['base_weights']} base, {device['optimizer']}"
    versions = ", ".join(f"{name} {found}" for name, found in manifest.software.packages.items())
    yield "## How it was trained"
    yield ""
    rows = [
        ("LoRA", f"r {lora['r']}, alpha {lora['alpha']}, dropout {lora['dropout']:g}"),
        ("steps", steps),
        ("learning rate", rate),
        ("longest row", f"{stage['max_seq_length']:,} tokens"),
        ("seed", str(manifest.seed)),
        ("hardware", ran_on),
        ("software", f"Python {manifest.software.python}, {versions}"),
    ]
    yield from _table(("", ""), rows)
    yield ""
    yield f"{training.health.summary()}."


def _limits(manifest: Manifest) -> Iterator[str]:
    known = manifest.base.license
    yield "## Limits and licence"
    yield ""
    yield (
        "It was taught by its rows alone, and measured on rows like them: on other tasks, languages or tools, expect "
        "less. Check what it calls before you let it act. It has whatever bias and gaps its base and its rows have."
    )
    yield ""
    yield (
        f"The base model's card names the licence `{known}`, which holds for this model too."
        if known
        else "The licence of the base model is not known here: find it before you pass this model on."
    ) + " The rows may have licences of their own."


def _again(manifest: Manifest) -> Iterator[str]:
    yield "## To make it again"
    yield ""
    yield (
        f"`tunesmith jobs rerun {manifest.job_id}` trains it anew from the same data, seed and settings, and refuses "
        "where a source has changed. On the same kind of CPU, threads and software the adapter comes out bit for bit."
    )


def _suites(scores: dict[str, Any] | None) -> Iterable[tuple[str, dict[str, Any]]]:
    suites: dict[str, dict[str, Any]] = (scores or {}).get("suites", {})
    return suites.items()


def _rates(suite: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for metric in RATES:
        if (rate := suite.get(metric)) is not None:
            yield metric, rate


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |"


def _shown(base_model: str) -> str:
    """A folder of the machine by its name alone: where it lay is nobody else's business."""
    return Path(base_model).name if is_path(base_model) else base_model
