"""The rows that a stage begins with: what is looked at where not all need to be."""

from collections.abc import Iterator

from core.rows import Row
from worker.stages.mix import stage_rows
from worker.stages.run_dir import StageRun


def first_rows(spec: StageRun, limit: int) -> Iterator[Row]:
    """So many rows of the stage at most, one conversation each, with their share of those that are mixed in."""
    rows = limit if spec.stage.data.rows is None else min(limit, spec.stage.data.rows)
    data = spec.stage.data.model_copy(update={"rows": rows})
    stage = spec.stage.model_copy(update={"data": data, "join_rows": 1})
    return stage_rows(spec.model_copy(update={"stage": stage}))
