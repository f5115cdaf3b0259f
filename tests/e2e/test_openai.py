"""A program that was written for OpenAI's API, and what its SDK says of the job: the whole system, one real job."""

import csv
import io
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai.types.fine_tuning import FineTuningJob

from tests.e2e.system import ROOT, RunningSystem
from tests.sdk import Sdk

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
NAMED = {"TUNESMITH_BASE_MODELS": "gpt-4o-mini-2024-07-18=./examples/tiny-base"}
STEPS = 6
"""Ten rows, seen twice, four at a time."""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    running = RunningSystem(tmp_path_factory.mktemp("system"), **NAMED)
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def printed(system: RunningSystem) -> str:
    """What the example prints; nothing is changed for it but the URL and the key."""
    clean = {name: value for name, value in system.environment.items() if not name.startswith("TUNESMITH_")}
    ran = subprocess.run(
        [sys.executable, ROOT / "examples" / "openai_fine_tuning.py"],
        env={**clean, "OPENAI_BASE_URL": f"{system.url}/v1", "OPENAI_API_KEY": system.key},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def sdk(request: pytest.FixtureRequest, system: RunningSystem, printed: str) -> Iterator[Sdk]:
    sdk = Sdk(is_async=request.param, url=system.url, key=system.key)
    yield sdk
    sdk.close()


def job_of(sdk: Sdk) -> FineTuningJob:
    """The job that the example made."""
    [job] = sdk.all(sdk.client.fine_tuning.jobs.list(metadata={"team": "front desk"}))
    assert isinstance(job, FineTuningJob)
    return job


def test_the_program_ends_with_an_answer_of_its_model(printed: str) -> None:
    assert re.search(r"ftjob-\w+ is running", printed)
    assert f"Step {STEPS}/{STEPS}: training loss=" in printed
    assert re.search(r"ft:tiny-base:default:library:\w+-sft was trained on \d+ tokens", printed)
    assert printed.splitlines()[-2] == "> When do you open?"


def test_the_job_has_ended_with_a_model_tokens_and_a_result_file(sdk: Sdk) -> None:
    job = job_of(sdk)
    assert (job.status, job.seed, job.error) == ("succeeded", 42, None)
    assert job.fine_tuned_model is not None
    assert job.fine_tuned_model.startswith("ft:tiny-base:default:library:")
    assert job.trained_tokens is not None
    assert job.trained_tokens > 2 * 10 * 10
    assert job.finished_at is not None
    assert job.finished_at > job.created_at
    assert job.estimated_finish is None
    assert job.hyperparameters.model_dump() == {"n_epochs": 2, "batch_size": 4, "learning_rate_multiplier": 1.0}
    assert sdk(sdk.client.fine_tuning.jobs.retrieve(job.id)) == job


def test_the_result_file_holds_every_step(sdk: Sdk) -> None:
    [file_id] = job_of(sdk).result_files
    file = sdk(sdk.client.files.retrieve(file_id))
    assert (file.purpose, file.filename) == ("fine-tune-results", "step_metrics.csv")
    assert [each.id for each in sdk.all(sdk.client.files.list(purpose="fine-tune-results"))] == [file_id]
    content = sdk(sdk.client.files.content(file_id)).read()
    assert file.bytes == len(content)
    table = csv.DictReader(io.StringIO(content.decode()))
    assert table.fieldnames == [
        "step",
        "train_loss",
        "train_accuracy",
        "valid_loss",
        "valid_mean_token_accuracy",
    ]
    rows = list(table)
    assert [int(row["step"]) for row in rows] == list(range(1, STEPS + 1))
    assert all(float(row["train_loss"]) > 0 for row in rows)
    assert {row["train_accuracy"] for row in rows} == {""}


def test_events_tell_of_every_step_and_of_the_end(sdk: Sdk) -> None:
    events = sdk.all(sdk.client.fine_tuning.jobs.list_events(job_of(sdk).id, limit=10))
    assert [event.data["step"] for event in events if event.type == "metrics"] == list(range(STEPS, 0, -1))
    assert events[0].message == "Job succeeded"
    assert len({event.id for event in events}) == len(events)


def test_the_one_stage_is_the_one_checkpoint(sdk: Sdk) -> None:
    job = job_of(sdk)
    [checkpoint] = sdk.all(sdk.client.fine_tuning.jobs.checkpoints.list(job.id))
    assert (checkpoint.fine_tuned_model_checkpoint, checkpoint.step_number) == (job.fine_tuned_model, STEPS)


def test_the_model_is_listed_and_cannot_be_deleted_while_it_is_live(sdk: Sdk) -> None:
    model = job_of(sdk).fine_tuned_model
    listed = {each.id: each for each in sdk.all(sdk.client.models.list())}
    assert (listed[str(model)].live, listed["tunesmith"].serves) == (True, model)
    assert sdk(sdk.client.models.retrieve(model)) == listed[str(model)]
    with pytest.raises(openai.ConflictError, match="is live"):
        sdk(sdk.client.models.delete(model))


def test_the_model_answers_by_its_name_at_once_and_as_a_stream(sdk: Sdk) -> None:
    asked: dict[str, Any] = {"model": job_of(sdk).fine_tuned_model, "max_tokens": 8, "temperature": 0}
    chat = {**asked, "messages": [{"role": "user", "content": "When do you open?"}]}
    whole = sdk(sdk.client.chat.completions.create(**chat)).choices[0].message.content
    chunks = sdk.all(sdk(sdk.client.chat.completions.create(**chat, stream=True)))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == whole
    assert sdk(sdk.client.completions.create(**asked, prompt="We open")).choices[0].text is not None


def test_tools_and_structured_output_pass_through(sdk: Sdk) -> None:
    asked: dict[str, Any] = {
        "model": job_of(sdk).fine_tuned_model,
        "messages": [{"role": "user", "content": "Weather in Oslo?"}],
        "max_tokens": 64,
        "temperature": 0,
    }
    parameters = {"type": "object", "properties": {"city": {"type": "string", "enum": ["Oslo"]}}, "required": ["city"]}
    function = {"name": "get_weather", "parameters": {**parameters, "additionalProperties": False}}
    choice = {"type": "function", "function": {"name": "get_weather"}}
    called = sdk(
        sdk.client.chat.completions.create(
            **asked, tools=[{"type": "function", "function": function}], tool_choice=choice
        )
    )
    assert [call.function.name for call in called.choices[0].message.tool_calls] == ["get_weather"]
    schema = {"type": "json_schema", "json_schema": {"name": "place", "schema": function["parameters"]}}
    answer = sdk(sdk.client.chat.completions.create(**asked, response_format=schema))
    assert '"city"' in answer.choices[0].message.content
