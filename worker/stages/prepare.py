"""Stage program: convert and tokenise a stage's rows into `RUN_DIR/rows.arrow`, and count them.

Beside them it keeps answers that the server of the model is to be asked about (`core.parity`).

Rows longer than `max_seq_length` are dropped and counted: a cut answer teaches the model not to stop.
"""

if __name__ == "__main__":
    import worker.stages.without_torch  # noqa: F401  for its effect on what follows

import time
from collections.abc import Iterator
from typing import Any

from datasets import Features, Sequence, Value
from datasets.arrow_writer import ArrowWriter
from transformers import AutoConfig

from core import parity
from core.errors import BadData
from core.storage import fsync
from worker.stages.first_rows import first_rows
from worker.stages.mix import stage_rows
from worker.stages.parity import ROWS, sample
from worker.stages.render import IGNORED, check_parity, load_tokenizer, tokenize
from worker.stages.run_dir import RunDir, StageRun, run_program

PARITY_ROWS = 64
"""So many of the first rows are checked to be prompted in training as they will be in serving."""
_FEATURES = Features(
    {"input_ids": Sequence(Value("int32")), "labels": Sequence(Value("int32")), "length": Value("int32")}
)


class Preparation:
    """Tokenises rows one by one and keeps the counts."""

    def __init__(self, run: RunDir, spec: StageRun) -> None:
        self.run, self.spec = run, spec
        self.tokenizer = load_tokenizer(spec.tokenizer)
        self.counts = {
            "rows_in": 0,
            "rows": 0,
            "too_long": 0,
            "masked": 0,
            "tokens": 0,
            "trained_tokens": 0,
            "longest": 0,
        }

    def rows(self) -> Iterator[dict[str, Any]]:
        """Tokenised rows that can be trained on."""
        limit, counts = self.spec.stage.max_seq_length, self.counts
        reported = time.monotonic()
        for row in stage_rows(self.spec):
            counts["rows_in"] += 1
            tokens = tokenize(self.tokenizer, row)
            length, trained = len(tokens.input_ids), sum(label != IGNORED for label in tokens.labels)
            if not trained:
                counts["masked"] += 1
            elif length > limit:
                counts["too_long"] += 1
            else:
                if counts["rows"] < PARITY_ROWS:
                    check_parity(self.tokenizer, row, tokens)
                counts["rows"] += 1
                counts["tokens"] += length
                counts["trained_tokens"] += trained
                counts["longest"] = max(counts["longest"], length)
                yield {"input_ids": tokens.input_ids, "labels": tokens.labels, "length": length}
            if time.monotonic() - reported > 1:
                reported = time.monotonic()
                self.run.emit("progress", done=counts["rows_in"], unit="rows")


def main(run: RunDir) -> None:
    """Write `rows.arrow` and `prepare.json` with the counts and the optimiser steps they make."""
    spec = run.spec()
    _check_length(spec)
    preparation = Preparation(run, spec)
    counts = preparation.counts
    temporary = run.path / "rows.arrow.tmp"
    temporary.unlink(missing_ok=True)  # not overwritten: a frozen process of an earlier run may hold it open
    with ArrowWriter(path=str(temporary), features=_FEATURES) as writer:
        for row in preparation.rows():
            writer.write(row)
        writer.finalize()
    if not counts["rows"]:
        raise BadData(
            f"stage {spec.stage.name}: none of the {counts['rows_in']} rows can be trained on: {counts['masked']} have "
            f"no assistant tokens, {counts['too_long']} are longer than max_seq_length ({spec.stage.max_seq_length})"
        )
    fsync(temporary)
    temporary.replace(run.path / "rows.arrow")
    parity.save(run.path, sample(preparation.tokenizer, first_rows(spec, ROWS), spec.stage.max_seq_length))
    run.finish(
        "prepare",
        {**counts, "steps": spec.stage.steps(counts["rows"]), "parity_rows": min(counts["rows"], PARITY_ROWS)},
    )


def _check_length(spec: StageRun) -> None:
    longest = AutoConfig.from_pretrained(spec.tokenizer).max_position_embeddings
    if spec.stage.max_seq_length > longest:
        raise BadData(
            f"stage {spec.stage.name}: max_seq_length is {spec.stage.max_seq_length} and the model handles {longest} "
            "tokens; lower it"
        )


if __name__ == "__main__":
    run_program(main)
