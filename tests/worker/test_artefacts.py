"""What the models of a job are called."""

import json
import shutil
from collections.abc import Iterator

import pytest

from core.job_files import models_root
from core.spec import DatasetSpec, JobSpec, StageSpec
from tests.conftest import Services
from worker.artefacts import Artefacts

STAGE = StageSpec(name="tools", data=DatasetSpec(source="rows.jsonl"))


@pytest.fixture(autouse=True)
def _empty_storage(services: Services) -> Iterator[None]:
    yield
    shutil.rmtree(models_root(), ignore_errors=True)


def artefacts(base_model: str) -> Artefacts:
    return Artefacts("ftjob-0123456789", JobSpec(base_model=base_model, stages=(STAGE,), suffix="second"))


@pytest.mark.parametrize("base_model", ["Qwen/Qwen2.5-3B", "/models/Qwen2.5-3B"])
def test_a_models_name_begins_with_its_base(base_model: str) -> None:
    assert artefacts(base_model).model_name(STAGE) == "ft:Qwen2.5-3B:default:second:01234567-tools"


def test_a_model_tuned_further_is_named_after_the_base_that_it_began_with() -> None:
    folder = models_root() / "ftjob-first" / "chat"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"model": "ft:Qwen2.5-3B:default:first:abc-chat"}))
    further = artefacts(str(folder))
    assert further.model_name(STAGE) == "ft:Qwen2.5-3B:default:second:01234567-tools"
    assert further.base_id.startswith("base:Qwen2.5-3B:")
