"""Stage program: convert and tokenise a stage's rows into `RUN_DIR/rows.arrow`, and count them.

Rows longer than `max_seq_length` are dropped and counted: a cut answer teaches the model not to stop.
"""

if __name__ == "__main__":
    import worker.stages.without_torch  # noqa: F401  for its effect on what follows

import time
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from datasets import Features, Sequence, Value
from datasets.arrow_writer import ArrowWriter
from transformers import AutoConfig

from core.errors import BadData
from core.preparation import (
    FIRST_ROWS,
    LENGTH_BUCKETS,
    DropReason,
    Kind,
    LengthBucket,
    Preparation,
    RowPlace,
    Rows,
    bucket_of,
)
from core.rows import Row
from core.storage import fsync
from worker.stages.mix import stage_rows
from worker.stages.preview import write_preview
from worker.stages.render import IGNORED, Tokens, check_parity, load_tokenizer, tokenize
from worker.stages.run_dir import RunDir, StageRun, run_program

PARITY_ROWS = 64
"""So many of the first rows are checked to be prompted in training as they will be in serving."""
_FEATURES = Features(
    {"input_ids": Sequence(Value("int32")), "labels": Sequence(Value("int32")), "length": Value("int32")}
)


class Tally:
    """Tokenises rows one by one and keeps the counts."""

    def __init__(self, run: RunDir, spec: StageRun) -> None:
        self.run, self.spec = run, spec
        self.tokenizer = load_tokenizer(spec.tokenizer)
        self.dropped: dict[DropReason, list[RowPlace]] = {"too_long": [], "nothing_trained": []}
        self.duplicates: list[RowPlace] = []
        self.not_stopped: list[RowPlace] = []
        self.kinds: Counter[Kind] = Counter()
        self.lengths: list[int] = []
        self.trained_tokens = 0
        self._seen: set[bytes] = set()

    @property
    def rows_in(self) -> int:
        return len(self.lengths) + sum(len(places) for places in self.dropped.values())

    def rows(self) -> Iterator[dict[str, Any]]:
        """Tokenised rows that can be trained on."""
        reported = time.monotonic()
        for row in stage_rows(self.spec):
            tokens = tokenize(self.tokenizer, row)
            trained = sum(label != IGNORED for label in tokens.labels)
            if not trained:
                self.dropped["nothing_trained"].append(_place(row))
            elif len(tokens.input_ids) > self.spec.stage.max_seq_length:
                self.dropped["too_long"].append(_place(row))
            else:
                if len(self.lengths) < PARITY_ROWS:
                    check_parity(self.tokenizer, row, tokens)
                self._count(row, tokens, trained)
                yield {"input_ids": tokens.input_ids, "labels": tokens.labels, "length": len(tokens.input_ids)}
            if time.monotonic() - reported > 1:
                reported = time.monotonic()
                self.run.emit("progress", done=self.rows_in, unit="rows")

    def _count(self, row: Row, tokens: Tokens, trained: int) -> None:
        self.lengths.append(len(tokens.input_ids))
        self.trained_tokens += trained
        self.kinds["no_call" if row.kind == "no_call" else "own"] += 1
        if tokens.labels[-1] != self.tokenizer.eos_token_id and tokens.labels[-1] not in self.tokenizer.all_special_ids:
            self.not_stopped.append(_place(row))
        digest = sha256(repr(tokens).encode()).digest()
        if digest in self._seen:
            self.duplicates.append(_place(row))
        self._seen.add(digest)

    def preparation(self, started: float) -> Preparation:
        """The counts, once all rows have come."""
        parts = Counter(bucket_of(length) for length in self.lengths)
        buckets = [LengthBucket(up_to=up_to, rows=parts[i]) for i, up_to in enumerate((*LENGTH_BUCKETS, None))]
        longest = max(self.lengths)
        return Preparation(
            rows_in=self.rows_in,
            rows=len(self.lengths),
            dropped={reason: _counted(places) for reason, places in self.dropped.items()},
            cut=Rows(),
            duplicates=_counted(self.duplicates),
            evaluation_rows=0,
            overlap=Rows(),
            kinds=dict(self.kinds),
            no_call_unfilled=0,
            lengths=tuple(buckets),
            tokens=sum(self.lengths),
            trained_tokens=self.trained_tokens,
            longest=longest,
            longest_batch_tokens=longest * min(self.spec.stage.batch_size, len(self.lengths)),
            not_stopped=_counted(self.not_stopped),
            steps=self.spec.stage.steps(len(self.lengths)),
            parity_rows=min(len(self.lengths), PARITY_ROWS),
            prepare_s=round(time.monotonic() - started, 3),
        )


def main(run: RunDir) -> None:
    """Write `rows.arrow`, samples of it as `preview.json`, and as `prepare.json` the counts and optimiser steps."""
    spec, started = run.spec(), time.monotonic()
    _check_length(spec)
    tally = Tally(run, spec)
    temporary = run.path / "rows.arrow.tmp"
    temporary.unlink(missing_ok=True)  # not overwritten: a frozen process of an earlier run may hold it open
    with ArrowWriter(path=str(temporary), features=_FEATURES) as writer:
        for row in tally.rows():
            writer.write(row)
        writer.finalize()
    if not tally.lengths:
        raise BadData(
            f"stage {spec.stage.name}: none of the {tally.rows_in} rows can be trained on: "
            f"{len(tally.dropped['nothing_trained'])} have no assistant tokens, {len(tally.dropped['too_long'])} are "
            f"longer than max_seq_length ({spec.stage.max_seq_length})"
        )
    fsync(temporary)
    temporary.replace(run.path / "rows.arrow")
    write_preview(run.path, spec.tokenizer)
    run.finish("prepare", tally.preparation(started).model_dump(mode="json"))


def _place(row: Row) -> RowPlace:
    source, _, number = row.origin.rpartition(", row ")
    return RowPlace(source=source, row=int(number or 0))


def _counted(places: list[RowPlace]) -> Rows:
    return Rows(count=len(places), first=tuple(places[:FIRST_ROWS]))


def _check_length(spec: StageRun) -> None:
    longest = AutoConfig.from_pretrained(spec.tokenizer).max_position_embeddings
    if spec.stage.max_seq_length > longest:
        raise BadData(
            f"stage {spec.stage.name}: max_seq_length is {spec.stage.max_seq_length} and the model handles {longest} "
            "tokens; lower it"
        )


if __name__ == "__main__":
    run_program(main)
