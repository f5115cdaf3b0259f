"""Stage program: whether the merged model is what was trained, and what a server that loads it must answer.

Reads the base, the adapter, the merged model and the stage's rows, and writes `verify.json`.  A model that is not what
was trained gets no canary, for nothing is to be served of it.  Memory holds a model once (`worker.stages.reference`);
what there is no room for is left out, and said.
"""

import time
from pathlib import Path
from typing import Any

from core.rows import Row
from core.verdict import Condition, Verdict
from worker.stages.canary import record, sample_sequences
from worker.stages.failures import is_out_of_memory
from worker.stages.fidelity import agreement, packaging, weight_delta
from worker.stages.first_rows import first_rows
from worker.stages.reference import use_few_threads
from worker.stages.render import load_tokenizer
from worker.stages.run_dir import RunDir, StageRun, run_program

ROWS = 1000
"""So many of the stage's first rows are looked at."""
ENDINGS = 50
"""Of so many of them, which token ends their answers."""


def main(run: RunDir) -> None:
    """Write `verify.json`: {"fidelity": a `Verdict`, "canary", "why" there is none, "verify_s"}."""
    started, found, why = time.monotonic(), None, None
    fidelity = Verdict.of([Condition(name="merge", passed=None, text="memory has no room to look into the merge")])
    try:
        spec = run.spec()
        use_few_threads(Path(spec.output))
        fidelity, rows = judge(spec, run.path / "adapter")
        if fidelity.passed:
            found = record(Path(spec.output), rows, lambda done: run.emit("progress", done=done, unit="answers"))
        else:
            why = "the merged model is not what was trained"
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        why = f"memory has no room for the merged model ({type(error).__name__}: {str(error)[:200]})"
    if why is not None:
        run.emit("canary.skipped", why=why)
    result: dict[str, Any] = {"fidelity": fidelity.model_dump(mode="json"), "canary": found, "why": why}
    run.finish("verify", {**result, "verify_s": round(time.monotonic() - started, 3)})


def judge(spec: StageRun, adapter: Path) -> tuple[Verdict, list[Row]]:
    """Whether the spec's merged model is its base with the adapter; and the rows that were looked at."""
    base, merged, trained = Path(spec.model), Path(spec.output), load_tokenizer(spec.tokenizer)
    rows = list(first_rows(spec, ROWS))
    conditions = (
        weight_delta(base, merged, adapter),
        agreement(base, merged, adapter, sample_sequences(trained, rows)),
        packaging(spec, trained, rows[:ENDINGS]),
    )
    return Verdict.of(conditions), rows


if __name__ == "__main__":
    run_program(main)
