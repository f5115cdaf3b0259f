"""A stage on an uploaded file, from the job's spec to the rows that are trained on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.file_store import Incoming
from core.ids import new_id
from core.spec import JobSpec
from core.storage import write_json
from tests.api.uploading import empty_file_store, rows_of
from tests.conftest import Services
from tests.worker.programs import new_keeper
from worker.artefacts import Artefacts
from worker.program import run_program


@pytest.fixture
def file_id(database: Services) -> Iterator[str]:
    with Incoming(new_id("file")) as incoming:
        incoming.open("chat.jsonl")
        incoming.write(rows_of(12))
        incoming.finish()
        incoming.publish(None)
    yield incoming.file_id
    empty_file_store()


def test_a_stage_is_prepared_from_an_uploaded_file(file_id: str, tmp_path: Path, tiny_base: Path) -> None:
    stage = {"name": "chat", "data": {"source": file_id}, "max_seq_length": 256}
    spec = JobSpec.model_validate({"base_model": str(tiny_base), "stages": [stage]})
    run = Artefacts("ftjob-x", spec).stage_run(spec.stages[0])
    write_json(tmp_path / "spec.json", run.model_dump(mode="json"))
    counts = run_program("prepare", tmp_path, new_keeper(), lambda events: None, {"HF_HUB_OFFLINE": "1"})
    assert (counts["rows_in"], counts["rows"]) == (12, 12)
