"""Stage program: convert and tokenise a stage's rows into `RUN_DIR/rows.arrow`, and count them.

Beside them it keeps answers that the server of the model is to be asked about (`core.parity`).

Nothing grows with the number of rows but a few bytes for each, and the file's bytes depend on the spec and the rows
alone: not on the number of processes that tokenise.
"""

if __name__ in ("__main__", "__mp_main__"):  # also where a process that tokenises imports this
    import worker.stages.without_torch  # noqa: F401  for its effect on what follows

import os
import time
from array import array
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path

import pyarrow as pa
from transformers import AutoConfig

from core import parity
from core.errors import BadData
from core.preparation import Preparation, RowPlace
from core.storage import fsync, write_json
from worker.stages import row_cache, source_records
from worker.stages.counting import Counts
from worker.stages.first_rows import first_rows
from worker.stages.in_parallel import tokenised
from worker.stages.mix import Mixture
from worker.stages.overlap import evaluation_keys
from worker.stages.parity import ROWS, sample
from worker.stages.preview import write_preview
from worker.stages.render import load_tokenizer
from worker.stages.run_dir import RunDir, StageRun, run_program
from worker.stages.tokenising import Batch, Task

_IDS = pa.list_(pa.int32())
_SCHEMA = pa.schema([("input_ids", _IDS), ("labels", _IDS), ("length", pa.int32())])


def main(run: RunDir) -> None:
    """Write `rows.arrow`, samples of it as `preview.json`, and `prepare.json` (`core.preparation.Preparation`).

    `sources.json` says what the data sets held.
    """
    spec = run.spec()
    _check_length(spec)
    temporary = run.path / "rows.arrow.tmp"
    temporary.unlink(missing_ok=True)  # not overwritten: a frozen process of an earlier run may hold it open
    before = source_records.records(spec)
    cache, key = (Path(spec.row_cache), row_cache.key_of(spec, before)) if spec.row_cache else (None, None)
    found = row_cache.fetch(cache, key, temporary, spec.stage) if cache and key else None
    preparation = found or prepare(spec, temporary, len(os.sched_getaffinity(0)), _reporter(run))
    fsync(temporary)
    after = before if found else source_records.records(spec)
    if cache and key and not found and after == before:  # else the data changed while it was read
        row_cache.keep(cache, key, temporary, preparation)
    temporary.replace(run.path / "rows.arrow")
    read = source_records.unchanged(before, after)
    write_json(run.path / source_records.FILE, [record.model_dump() for record in read])
    tokenizer = load_tokenizer(spec.tokenizer)
    write_preview(run.path, tokenizer)
    parity.save(run.path, sample(tokenizer, first_rows(spec, ROWS), spec.stage.max_seq_length))
    run.finish("prepare", preparation.model_dump(mode="json"))


def prepare(spec: StageRun, target: Path, processes: int, report: Callable[[int], None]) -> Preparation:
    """Write the stage's rows to `target`, and count them; `report` is called with the rows done so far."""
    began = time.monotonic()
    keys, evaluation_rows = evaluation_keys(spec)
    stage, mixture, counts = spec.stage, Mixture(spec, target.parent), Counts()
    task = Task(spec.tokenizer, stage.max_seq_length, stage.too_long, stage.tool_prompt, keys)
    with target.open("wb") as file, pa.ipc.new_stream(file, _SCHEMA) as writer:
        for batch in tokenised(mixture.chunks(), task, processes):
            mixture.own.add(batch.raw_rows, batch.problems)
            counts.add(batch)
            writer.write_batch(_record_batch(batch))
            report(counts.rows_in)
    mixture.own.end()
    counts.add_bad(mixture.own.name, mixture.own.bad)
    _check(spec, counts)
    return Preparation(
        rows_in=counts.rows_in,
        rows=counts.rows,
        dropped={reason: found.rows() for reason, found in counts.dropped.items()},
        cut=counts.cut.rows(),
        duplicates=counts.duplicates(),
        evaluation_rows=evaluation_rows,
        overlap=counts.overlap.rows(),
        kinds=counts.kinds,
        no_call_unfilled=mixture.no_call_unfilled,
        lengths=counts.lengths(),
        tokens=counts.tokens,
        trained_tokens=counts.trained_tokens,
        longest=counts.longest,
        longest_batch_tokens=counts.longest_batch_tokens(stage),
        not_stopped=counts.not_stopped.rows(),
        steps=stage.steps(counts.rows),
        parity_rows=counts.parity_rows,
        prepare_s=round(time.monotonic() - began, 3),
    )


def _record_batch(batch: Batch) -> pa.RecordBatch:
    # From buffers: `pa.array` would load pandas to see whether it is given something of it.
    lengths = array("i", [row.length for row in batch.outcomes if row.dropped is None])
    offsets = _int32(array("i", accumulate(lengths, initial=0)))
    columns = [pa.ListArray.from_arrays(offsets, _int32(values)) for values in (batch.ids, batch.labels)]
    return pa.record_batch([*columns, _int32(lengths)], schema=_SCHEMA)


def _int32(values: "array[int]") -> pa.Array:
    return pa.Array.from_buffers(pa.int32(), len(values), [None, pa.py_buffer(values)])


def _reporter(run: RunDir) -> Callable[[int], None]:
    """Emits a `progress` event once a second."""
    reported = time.monotonic()

    def report(rows: int) -> None:
        nonlocal reported
        if time.monotonic() - reported > 1:
            reported = time.monotonic()
            run.emit("progress", done=rows, unit="rows")

    return report


def _check(spec: StageRun, counts: Counts) -> None:
    stage, long = spec.stage, counts.dropped["too_long"]
    if long.count and stage.too_long == "refuse":
        raise BadData(
            f"stage {stage.name}: {long.count} of {counts.rows_in} rows are longer than max_seq_length "
            f"({stage.max_seq_length}; the longest has {counts.longest_dropped} tokens) and too_long is 'refuse': "
            f"{_named(long.first)}; raise max_seq_length, shorten them, or set too_long to 'drop' or 'cut_left'"
        )
    if not counts.rows:
        raise BadData(
            f"stage {stage.name}: none of the {counts.rows_in} rows can be trained on: "
            f"{counts.dropped['nothing_trained'].count} have no assistant tokens, {long.count} are longer than "
            f"max_seq_length ({stage.max_seq_length})"
        )


def _named(first: list[RowPlace]) -> str:
    return ", ".join(str(at) for at in first[:10]) + (", …" if len(first) > 10 else "")


def _check_length(spec: StageRun) -> None:
    longest = AutoConfig.from_pretrained(spec.tokenizer).max_position_embeddings
    if spec.stage.max_seq_length > longest:
        raise BadData(
            f"stage {spec.stage.name}: max_seq_length is {spec.stage.max_seq_length} and the model handles {longest} "
            "tokens; lower it"
        )


if __name__ == "__main__":
    run_program(main)
