"""`python -m bench.one_way WAY RUN_DIR SECONDS HELD_OUT`: a stage trained for so long, and its loss on held-out rows.

WAY is `recipe`: rows in random order, batches padded to their longest row, every token in the loss; or `ours`: the
worker's order of rows, and its labels.  All else is the same, the worker's own code.  Prints JSON.
"""

# Unsloth patches transformers and trl as it is imported, so it comes first.
import unsloth  # noqa: F401  isort: skip

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch.utils.data import RandomSampler, Sampler
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from core.rows import Row, read_rows
from core.storage import read_json
from worker.stages import sft
from worker.stages.cpu_allocator import keep_freed_memory
from worker.stages.cpu_attention import use_where_it_fits
from worker.stages.render import Renderer
from worker.stages.row_order import RowOrder
from worker.stages.run_dir import RunDir

_NEVER = 1_000_000


class _Deadline(TrainerCallback):
    """Stops the training when its time is over; the clock starts with the second step, as the first one compiles."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.began, self.tokens_before = seconds, 0.0, 0
        self.took_s = 0.0

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if state.global_step == 1:
            self.began, self.tokens_before = time.monotonic(), int(state.num_input_tokens_seen)
        self.took_s = time.monotonic() - self.began
        control.should_training_stop = self.took_s >= self.seconds


def main() -> None:
    """Train, measure, and print."""
    way, run, seconds, held_out = sys.argv[1], RunDir(Path(sys.argv[2])), float(sys.argv[3]), Path(sys.argv[4])
    spec, counts = run.spec(), read_json(run.path / "prepare.json")
    model, tokenizer = sft.load(spec)
    rows = Dataset.from_file(str(run.path / "rows.arrow"))
    if way == "recipe":
        rows = Dataset.from_dict(
            {"input_ids": rows["input_ids"], "labels": rows["input_ids"], "length": rows["length"]}
        )
    deadline = _Deadline(seconds)
    config = sft.config(spec, run.path / "checkpoints")
    config.max_steps, config.save_steps = _NEVER, _NEVER
    trainer = sft.Trainer(
        model=model, processing_class=tokenizer, args=config, train_dataset=rows, callbacks=[deadline]
    )
    keep_freed_memory()
    use_where_it_fits(model, spec.stage.batch_size, max(rows["length"]))
    lengths = list(rows["length"])
    generator = torch.Generator().manual_seed(spec.seed)
    order: Sampler[int] = (
        RandomSampler(lengths, generator=generator) if way == "recipe" else RowOrder(lengths, spec.seed)
    )
    trainer.rows = order  # type: ignore[assignment]
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    trainer.train()
    tokens = int(trainer.state.num_input_tokens_seen) - deadline.tokens_before
    useful = tokens * counts["trained_tokens"] / counts["tokens"]  # of random rows, as of all
    found = {"steps": trainer.state.global_step, "useful_tokens_per_s": useful / deadline.took_s}
    print(json.dumps({**found, "loss": held_out_loss(model, Renderer(tokenizer), list(read_rows(held_out)))}))


def held_out_loss(model: Any, renderer: Renderer, rows: list[Row]) -> float:
    """Mean negative log-likelihood (nats) of what the assistant says in the rows."""
    model.eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for rendered in renderer.render(rows):
            ids, labels = (torch.tensor([values.tolist()]) for values in (rendered.ids, rendered.labels))
            total += float(model(input_ids=ids, labels=labels).loss) * rendered.trained_tokens
            count += rendered.trained_tokens
    return round(total / count, 4)


if __name__ == "__main__":
    main()
