"""The jobs that the faults hit."""

from pathlib import Path

from core.rows import scan
from core.spec import JobSpec
from tests.faults.workload import VARIANTS, write_rows


def test_every_variant_is_a_job_whose_rows_are_there(tmp_path: Path) -> None:
    write_rows(tmp_path)
    for variant in VARIANTS.values():
        for stage in JobSpec.model_validate(variant).stages:
            rows = scan(tmp_path / stage.data.source, stage.data.format, None).trainable
            assert rows is not None
            assert stage.steps(rows) == stage.max_steps, "the rows do not last for the steps"
