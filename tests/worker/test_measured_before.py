"""A job compares each model with the one that it measured before."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.job_files import jobs_root
from core.spec import JobSpec
from core.storage import stage_dir
from tests.conftest import Services
from tests.worker.conftest import TINY_BASE
from worker.artefacts import Artefacts
from worker.stages.evaluate_run import CHAT_ROWS


@pytest.fixture
def artefacts(services: Services) -> Iterator[Artefacts]:
    """Those of a job of three stages; nothing of it stays."""
    stages = [{"name": name, "data": {"source": "rows.jsonl"}} for name in ("chat", "tools", "more")]
    yield Artefacts("ftjob-0123456789", JobSpec.model_validate({"base_model": str(TINY_BASE), "stages": stages}))
    shutil.rmtree(jobs_root(), ignore_errors=True)


def measure(artefacts: Artefacts, stage: str, *, run: int = 1) -> Path:
    """Leave the chat rows of a stage's model."""
    folder = stage_dir(artefacts.job_id, stage) / f"run-{run}"
    folder.mkdir(parents=True)
    (folder / CHAT_ROWS).touch()
    return folder


def test_a_model_is_compared_with_the_last_one_that_was_measured(artefacts: Artefacts) -> None:
    assert artefacts.measured_before("base") is artefacts.measured_before("more") is None
    base, chat = measure(artefacts, "base"), measure(artefacts, "chat", run=2)
    found = {stage: artefacts.measured_before(stage) for stage in ("chat", "tools", "more")}
    assert {stage: (each.stage, each.folder) for stage, each in found.items() if each} == {
        "chat": ("base", str(base)),
        "tools": ("chat", str(chat)),
        "more": ("chat", str(chat)),
    }
