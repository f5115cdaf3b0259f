"""What the documentation says is true: the file tree, the links, the settings that it names."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from api.app import create_app
from api.openai.checkpoints import CheckpointMetrics
from api.openai.create import CreateJob
from api.openai.hyperparameters import Hyperparameters
from api.openai.job_view import FineTuningJob, Status
from api.schemas.deployments import DeploymentRequest, DeploymentView
from core import answers
from core.cost import JobCost
from core.errors import JobRefused
from core.health import Health
from core.health import Kind as Rule
from core.job_warnings import Code
from core.manifest import Manifest
from core.parity import Kind, Mismatch, ParityRecord, What
from core.scorecard.card import Difference, Reason, Scorecard
from core.settings import Settings
from core.spec import DrainSpec, FloorSpec, GateSpec, SplitSpec, SuiteMetric
from core.states import DeploymentStatus, JobStatus, PreflightStatus
from core.verdict import Condition
from core.verdict import Verdict as GateVerdict

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])


def program(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_readme_shows_the_files_as_they_are() -> None:
    tree = program("tree")
    current = (ROOT / "README.md").read_text(encoding="utf-8")
    assert tree.readme_with(tree.tree()) == current, "run: python docs/tree.py --write"


def test_the_pictures_are_as_the_code_draws_them() -> None:
    pictures = program("pictures")
    current = (ROOT / "docs" / "scorecard.svg").read_text(encoding="utf-8")
    assert pictures.scorecard_picture() == current, "run: python -m docs.pictures --write"


def test_every_field_of_a_scorecard_is_explained() -> None:
    page = (ROOT / "docs" / "scorecard.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"`([a-z0-9_]+)`", page))
    values = {*get_args(answers.Verdict), *get_args(Reason), *get_args(Difference)}
    assert fields_of(Scorecard) - fields_of(Health) - fields_of(JobCost) | values <= explained | {"object"}


def fields_of(model: type[BaseModel]) -> set[str]:
    """The names of all that it holds, down to the last."""
    names: set[str] = set()
    seen: list[Any] = [model]
    while seen:
        one = seen.pop()
        if isinstance(one, type) and issubclass(one, BaseModel):
            names |= {field.alias or name for name, field in one.model_fields.items()}
            seen += [field.annotation for field in one.model_fields.values()]
        else:
            seen += get_args(one)
    return names


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_settings_that_are_named_exist(page: Path) -> None:
    known = {
        str(field.validation_alias or f"TUNESMITH_{name.upper()}") for name, field in Settings.model_fields.items()
    }
    named = set(re.findall(r"\b(?:TUNESMITH|VLLM)_[A-Z_]+\b", page.read_text(encoding="utf-8")))
    vllms_own = {"VLLM_ENABLE_V1_MULTIPROCESSING", "VLLM_PLUGINS", "VLLM_CPU_KVCACHE_SPACE"}
    assert named <= known | vllms_own


def test_every_warning_status_and_setting_of_a_preflight_is_explained() -> None:
    page = (ROOT / "docs" / "preflight.md").read_text(encoding="utf-8")
    settings = {f"TUNESMITH_{name.upper()}" for name in Settings.model_fields if name.startswith("preflight_")}
    named = set(re.findall(r"`([A-Za-z_]+)`", page))
    assert {*get_args(Code), *PreflightStatus, JobRefused.code} | settings <= named


def test_every_status_and_field_of_a_deployment_is_explained() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    ours = {*DeploymentStatus, *DeploymentView.model_fields, *DeploymentRequest.model_fields}
    inner = {*SplitSpec.model_fields, *(f"drain.{name}" for name in DrainSpec.model_fields)}
    assert ours | inner <= set(re.findall(r"`([a-z_.]+)`", page)) | {"id", "object", "status", "drain"}


def test_every_field_of_a_verdict_is_explained() -> None:
    page = (ROOT / "docs" / "gates.md").read_text(encoding="utf-8")
    ours = {*GateVerdict.model_fields, *Condition.model_fields, *FloorSpec.model_fields, *GateSpec.model_fields}
    assert ours | {*get_args(SuiteMetric)} <= set(re.findall(r"`([a-z_]+)`", page))


def test_every_field_and_kind_of_a_parity_record_is_explained() -> None:
    page = (ROOT / "docs" / "parity.md").read_text(encoding="utf-8")
    ours = {*ParityRecord.model_fields, *Mismatch.model_fields, *get_args(Kind), *get_args(What)}
    assert ours <= set(re.findall(r"`([a-z_]+)`", page))


def test_every_rule_and_status_of_a_trainings_health_is_explained() -> None:
    page = (ROOT / "docs" / "training-health.md").read_text(encoding="utf-8")
    statuses = get_args(Health.model_fields["status"].annotation)
    assert {*get_args(Rule), *statuses} <= set(re.findall(r"`([a-z_]+)`", page))


def test_every_route_field_and_status_of_the_openai_api_is_explained() -> None:
    page = (ROOT / "docs" / "openai.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", page, flags=re.DOTALL)))
    models = (CreateJob, FineTuningJob, Hyperparameters, CheckpointMetrics)
    fields = {name for model in models for name in model.model_fields}
    assert fields | set(get_args(Status)) | set(JobStatus) <= named
    routes = {
        f"{method.upper()} {path}" for path, methods in create_app().openapi()["paths"].items() for method in methods
    }
    assert {route for route in routes if " /v1/" in route} <= named


def test_every_field_of_a_manifest_is_explained() -> None:
    page = (ROOT / "docs" / "reproducing.md").read_text(encoding="utf-8")
    assert set(Manifest.model_fields) <= set(re.findall(r"`([a-z_]+)`", page))
