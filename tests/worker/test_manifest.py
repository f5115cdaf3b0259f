"""What stands beside a merged model: a manifest of all that it was made of, and a card; and it can be made again.

One small stage is prepared, trained and merged twice, as two jobs would, in folders of their own.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.manifest import Manifest
from tests.worker.conftest import TINY_BASE
from tests.worker.training import run_directory, run_to_end
from worker.stages.run_dir import Exit

pytestmark = pytest.mark.timeout(400)  # the first test waits for two trainings
WARM_AND_CONSTANT: dict[str, Any] = {"lr_scheduler": "constant", "warmup_steps": 2}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def made(folder: Path, job_id: str) -> Path:
    """The run directory of a job's stage, from its rows to the merged model."""
    run = run_directory(folder, rows=10, **WARM_AND_CONSTANT)
    spec = json.loads((run / "spec.json").read_text())
    spec |= {"job_id": job_id, "model_name": f"ft:{job_id}"}
    (run / "spec.json").write_text(json.dumps(spec))
    for program in ("prepare", "sft", "merge"):
        assert run_to_end(program, run) == Exit.DONE, program
    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two jobs of one spec."""
    folder = tmp_path_factory.mktemp("twice")
    return made(folder / "first", "ftjob-one"), made(folder / "second", "ftjob-two")


def model_of(run: Path) -> Path:
    return Path(json.loads((run / "spec.json").read_text())["output"])


def manifest_of(run: Path) -> Manifest:
    return Manifest.model_validate_json((model_of(run) / "manifest.json").read_bytes())


def test_the_same_job_again_makes_the_same_model_bit_for_bit(runs: tuple[Path, Path]) -> None:
    first, second = runs
    weights = Path("adapter") / "adapter_model.safetensors"
    assert sha256(first / weights) == sha256(second / weights)
    one, other = (manifest_of(run) for run in runs)
    assert one.files == other.files
    assert one.adapter == other.adapter
    own: dict[str, Any] = {"model": "", "job_id": "", "created_at": 0}
    own["training"] = one.training.model_copy(update={"train_s": 0.0})
    assert one.model_copy(update=own) == other.model_copy(
        update={**own, "training": other.training.model_copy(update={"train_s": 0.0})}
    )


def test_a_manifest_tells_what_the_model_was_made_of(runs: tuple[Path, Path]) -> None:
    run, found = runs[0], manifest_of(runs[0])
    [rows] = found.data
    data = run.parent / "rows.jsonl"
    assert (rows.source, rows.sha256, rows.size_bytes) == ("rows.jsonl", sha256(data), data.stat().st_size)
    assert (found.rows.rows_in, found.rows.rows, found.rows.kinds["own"]) == (10, 10, 10)
    assert found.base.tokenizer_sha256 == sha256(TINY_BASE / "tokenizer.json")
    assert found.base.template_sha256 == sha256(TINY_BASE / "chat_template.jinja")
    assert found.software.lock_files.keys() == {"app.txt", "vllm.txt"}
    assert found.software.packages["torch"].startswith("2.")
    assert (found.training.steps, found.training.device["backend"]) == (5, "cpu")
    assert found.files["model.safetensors"] == sha256(model_of(run) / "model.safetensors")
    assert {"README.md", "manifest.json", "evaluation.json"}.isdisjoint(found.files)
    assert (model_of(run) / "manifest.json").stat().st_size < 20_000


def test_a_constant_rate_has_its_warm_up(runs: tuple[Path, Path]) -> None:
    assert manifest_of(runs[0]).training.health.findings == ()


def test_the_card_lies_beside_the_model_in_place_of_the_bases(runs: tuple[Path, Path]) -> None:
    text = (model_of(runs[0]) / "README.md").read_text()
    assert yaml.safe_load(text.split("---\n")[1])["library_name"] == "transformers"
    assert "# ft:ftjob-one\n" in text
    assert (TINY_BASE / "README.md").read_text() not in text
