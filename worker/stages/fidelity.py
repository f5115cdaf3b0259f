"""Whether the merged model on disk is what was trained, found out by three means that do not share the merge's code.

merge.weight_delta   the weight of every adapted module differs from the base's
merge.kl             base + adapter, as PEFT makes it by the adapter's own config, predicts the same next tokens
merge.tokenizer      tokenizer, template and generation config are those of the training

Memory holds one of the two models at a time, and the distributions of a few hundred tokens.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from core.rows import Row
from core.storage import read_json
from core.verdict import Condition
from worker.stages.adapters import PREFIX, WEIGHTS
from worker.stages.failures import is_out_of_memory
from worker.stages.reference import Reference, no_numbers
from worker.stages.render import IGNORED, tokenize
from worker.stages.run_dir import StageRun

SMALLEST_KL = 1e-6
"""Nats a token; a model in float32 has no rounding to speak of."""
BECAUSE = "what computing in the model's own type, as every server does, changes in those of base and adapter"
"""Why the bound of `merge.kl` is what it is; docs/gates.md has what was measured."""
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "chat_template.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
)
_SHOWN = 3


def weight_delta(base: Path, merged: Path, adapter: Path) -> Condition:
    """Every module that the adapter has must weigh something else in the merged model."""
    with safe_open(adapter / WEIGHTS, "pt") as file:
        names = [name for name in file.keys() if name.endswith(".lora_A.weight")]  # noqa: SIM118
    modules = {name.removeprefix(PREFIX).removesuffix(".lora_A.weight") for name in names}
    deltas = dict(_relative_deltas(base, merged, {f"{module}.weight" for module in modules}))
    same = sorted(module for module in modules if not deltas.get(f"{module}.weight"))
    text = f"{len(modules) - len(same)} of {len(modules)} adapted modules have other weights than the base"
    if same:
        named = ", ".join(same[:_SHOWN]) + (", …" if len(same) > _SHOWN else "")
        text += f"; these have the same, so nothing of the training is in them: {named}"
    least = min((delta for delta in deltas.values() if delta), default=0.0)
    return Condition(
        name="merge.weight_delta",
        passed=bool(modules) and not same,
        text=text,
        figure=0.0 if same else float(f"{least:.3g}"),
        bound=0.0,
        n=len(modules),
    )


def _relative_deltas(base: Path, merged: Path, wanted: set[str]) -> Iterator[tuple[str, float]]:
    """By tensor, the norm of what was added by the norm of what was there."""
    for shard in sorted(base.glob("*.safetensors")):
        if not (merged / shard.name).exists():
            continue
        with safe_open(shard, "pt") as before, safe_open(merged / shard.name, "pt") as after:
            for name in sorted(wanted & set(before.keys()) & set(after.keys())):
                old, new = before.get_tensor(name).float(), after.get_tensor(name).float()
                yield name, float((new - old).norm() / old.norm().clamp_min(1e-30))


def agreement(base: Path, merged: Path, adapter: Path, sequences: Sequence[list[int]]) -> Condition:
    """The mean KL divergence, over every token of the sequences, of the merged model from the adapted base.

    Both have the weights' one rounding to the model's own type, which may take a small update away as a whole, and both
    are computed in float32: nothing tells them apart but the order of sums.  What computing in that type changes, as
    every server does, is far more, and whoever serves the model cannot do better.
    """
    try:
        [found] = _distributions(Reference(merged), sequences, own_type=False)
        exact, rounded = _distributions(Reference(base, adapter), sequences, own_type=True)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        why = f"{type(error).__name__}: {str(error)[:200]}"
        text = f"memory has no room to compare the merged model with the adapted base ({why})"
        return Condition(name="merge.kl", passed=None, text=text)
    kl, rounding = _mean_kl(exact, found), _mean_kl(exact, rounded)
    if not math.isfinite(kl + rounding):
        raise no_numbers()
    bound = max(rounding, SMALLEST_KL)
    tokens = sum(map(len, exact))
    return Condition(
        name="merge.kl",
        passed=kl <= bound,
        text=f"the merged model's next-token distributions differ by {kl:.2g} nats of KL from those of base and "
        f"adapter over {tokens} tokens, and may by {bound:.2g}: {BECAUSE}",
        figure=float(f"{kl:.3g}"),
        bound=float(f"{bound:.3g}"),
        n=tokens,
    )


def _distributions(model: Reference, sequences: Sequence[list[int]], *, own_type: bool) -> list[list[Tensor]]:
    """Of every sequence, computed in float32, and then in the model's own type if that is asked for."""
    with model.in_float32():
        found = [[model.distributions(ids) for ids in sequences]]
    if own_type:
        found.append([model.distributions(ids) for ids in sequences])
    return found


def _mean_kl(expected: Sequence[Tensor], found: Sequence[Tensor]) -> float:
    """Nats a token of KL(expected || found), from log-probabilities."""
    each = [(p.exp() * (p - q)).sum(-1) for p, q in zip(expected, found, strict=True)]
    return float(torch.cat(each).mean()) if each else 0.0


def packaging(spec: StageRun, tokenizer: PreTrainedTokenizerFast, rows: Sequence[Row]) -> Condition:
    """The tokenizer's files are those of the training, and generation stops at the token that ended its answers."""
    trained, merged = Path(spec.tokenizer), Path(spec.output)
    faults = [f"{name} is not that of the training" for name in TOKENIZER_FILES if _differs(trained, merged, name)]
    ours, theirs = _generation(merged), _generation(trained)
    stops = ours.pop("eos_token_id", None)
    theirs.pop("eos_token_id", None)
    stop_ids = set(stops if isinstance(stops, list) else [stops])
    endings = {ids[-1] for ids in (_learned(tokenizer, row) for row in rows) if ids}
    if endings - stop_ids:
        missing = ", ".join(repr(tokenizer.decode([token])) for token in sorted(endings - stop_ids))
        faults.append(f"generation_config.json does not stop at {missing}, which ended trained answers")
    if ours != theirs:
        faults.append("generation_config.json has other settings than the base's")
    said = "; ".join(faults) or "tokenizer, template and generation config are those of the training"
    return Condition(name="merge.tokenizer", passed=not faults, text=said)


def _differs(one: Path, other: Path, name: str) -> bool:
    files = [folder / name for folder in (one, other)]
    if not all(file.exists() for file in files):
        return any(file.exists() for file in files)
    return files[0].read_bytes() != files[1].read_bytes()


def _generation(folder: Path) -> dict[str, Any]:
    path = folder / "generation_config.json"
    return dict(read_json(path)) if path.exists() else {}


def _learned(tokenizer: PreTrainedTokenizerFast, row: Row) -> list[int]:
    tokens = tokenize(tokenizer, row)
    return [token for token, label in zip(tokens.input_ids, tokens.labels, strict=True) if label != IGNORED]
