"""`client.fine_tuning.jobs` of OpenAI's SDK: what a job is made of, and how it is found and steered."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai.types.fine_tuning import FineTuningJob

from core import model_registry, runs
from core.db import transaction
from core.files import RESULTS
from core.job_files import models_root
from core.models import File, Job
from core.states import JobStatus
from tests.api.uploading import empty_file_store, rows_of
from tests.conftest import Services
from tests.core.sessions import claim
from tests.sdk import Sdk

HUB = "Qwen/Qwen2.5-3B"


@pytest.fixture(autouse=True)
def _empty_storage(database: Services) -> Iterator[None]:
    yield
    empty_file_store()
    shutil.rmtree(models_root(), ignore_errors=True)


@pytest.fixture
def file_id(sdk: Sdk) -> str:
    """A file of 500 rows."""
    return upload(sdk, rows_of(500))


def upload(sdk: Sdk, content: bytes) -> str:
    return str(sdk(sdk.client.files.create(file=("train.jsonl", content), purpose="fine-tune")).id)


def create(sdk: Sdk, file_id: str, **fields: Any) -> FineTuningJob:
    job = sdk(sdk.client.fine_tuning.jobs.create(**{"model": HUB, "training_file": file_id, **fields}))
    assert isinstance(job, FineTuningJob)
    return job


def own_view(client: httpx.Client, job: FineTuningJob) -> dict[str, Any]:
    view: dict[str, Any] = client.get(f"/jobs/{job.id}").json()
    return view


# ------------------------------------------------------------------ creating


def test_a_plain_job_has_one_stage_and_every_field_of_openais_object(
    sdk: Sdk, client: httpx.Client, file_id: str
) -> None:
    job = create(sdk, file_id)
    assert (job.object, job.id[:6], job.status, job.model) == ("fine_tuning.job", "ftjob-", "queued", HUB)
    assert (job.training_file, job.validation_file, job.organization_id) == (file_id, None, "default")
    assert (job.result_files, job.integrations, job.metadata, job.seed) == ([], [], {}, 3407)
    assert (job.error, job.fine_tuned_model, job.finished_at, job.trained_tokens) == (None, None, None, None)
    assert FineTuningJob.model_fields.keys() <= job.model_dump().keys()
    [stage] = own_view(client, job)["spec"]["stages"]
    assert (stage["name"], stage["data"]["source"]) == ("sft", file_id)


def test_auto_is_replaced_by_the_values_that_are_used(sdk: Sdk, client: httpx.Client, file_id: str) -> None:
    job = create(sdk, file_id, hyperparameters={"n_epochs": "auto", "batch_size": "auto"})
    used = {"n_epochs": 3, "batch_size": 4, "learning_rate_multiplier": 1.0}
    assert job.hyperparameters.model_dump() == used
    assert job.method is not None
    assert job.method.type == "supervised"
    assert job.method.supervised is not None
    assert job.method.supervised.hyperparameters is not None
    assert job.method.supervised.hyperparameters.model_dump() == used
    assert own_view(client, job)["plan"]["total_steps"] == 3 * 125


@pytest.mark.parametrize("form", ["method", "deprecated"])
def test_hyperparameters_become_settings_of_the_stage(sdk: Sdk, client: httpx.Client, file_id: str, form: str) -> None:
    wanted = {"n_epochs": 2, "batch_size": 6, "learning_rate_multiplier": 0.5}
    method = {"type": "supervised", "supervised": {"hyperparameters": wanted}}
    job = create(sdk, file_id, **({"method": method} if form == "method" else {"hyperparameters": wanted}))
    assert job.hyperparameters.model_dump() == wanted
    [stage] = own_view(client, job)["spec"]["stages"]
    assert (stage["epochs"], stage["learning_rate"]) == (2, 1e-4)
    assert (stage["batch_size"], stage["gradient_accumulation_steps"]) == (3, 2)


def test_suffix_seed_and_metadata_are_kept(sdk: Sdk, client: httpx.Client, file_id: str) -> None:
    job = create(sdk, file_id, suffix="Our support, v2!", seed=7, metadata={"team": "a"})
    assert (job.seed, job.metadata) == (7, {"team": "a"})
    assert own_view(client, job)["spec"]["suffix"] == "Our-support-v2-"
    longest = create(sdk, file_id, suffix="x" * 64)
    assert own_view(client, longest)["spec"]["suffix"] == "x" * 64


def test_a_validation_file_is_what_the_loss_is_measured_on(sdk: Sdk, client: httpx.Client, file_id: str) -> None:
    held_out = upload(sdk, rows_of(3))
    job = create(sdk, file_id, validation_file=held_out)
    assert job.validation_file == held_out
    evaluation = own_view(client, job)["spec"]["evaluation"]
    assert (evaluation["chat"]["source"], evaluation["tools"]) == (held_out, None)


def test_calls_are_measured_where_the_validation_rows_offer_tools(sdk: Sdk, client: httpx.Client, file_id: str) -> None:
    tool = b'"tools": [{"type": "function", "function": {"name": "look"}}]'
    held_out = upload(sdk, rows_of(2) + rows_of(1).replace(b'{"messages"', b"{" + tool + b', "messages"'))
    evaluation = own_view(client, create(sdk, file_id, validation_file=held_out))["spec"]["evaluation"]
    assert evaluation["chat"]["source"] == evaluation["tools"]["source"] == held_out


def test_our_own_settings_come_through_extra_body(sdk: Sdk, client: httpx.Client, file_id: str) -> None:
    stages = [{"name": "chat", "data": {"source": "o/n", "rows": 10}}, {"name": "tools", "lora": {"r": 8}, "epochs": 4}]
    wanted = {"stages": stages, "deploy": {"when": "last_stage"}, "priority": 3}
    job = create(sdk, file_id, extra_body={"tunesmith": wanted}, hyperparameters={"n_epochs": 2})
    spec = own_view(client, job)["spec"]
    chat, tools = spec["stages"]
    assert (chat["data"]["source"], chat["epochs"]) == ("o/n", 2)
    assert (tools["data"]["source"], tools["epochs"], tools["lora"]["r"]) == (file_id, 4, 8)
    assert (spec["deploy"]["when"], spec["priority"]) == ("last_stage", 3)
    assert (job.training_file, job.hyperparameters.n_epochs) == (file_id, 4)


def test_both_views_show_the_same_row(sdk: Sdk, client: httpx.Client, file_id: str) -> None:
    job = sdk(sdk.client.fine_tuning.jobs.retrieve(create(sdk, file_id).id))
    assert job.tunesmith == own_view(client, job)
    recipe = client.post("/jobs", json={"base_model": HUB, "metadata": {"k": "v"}}).json()
    job = sdk(sdk.client.fine_tuning.jobs.retrieve(recipe["id"]))
    assert (job.model, job.metadata, job.training_file) == (HUB, {"k": "v"}, "Salesforce/xlam-function-calling-60k")
    assert job.tunesmith == recipe


def test_the_project_and_organization_headers_of_the_sdk_are_taken(
    database: Services, api_url: str, file_id: str
) -> None:
    sdk = Sdk(is_async=False, url=api_url, key=database.admin_key, project="red", organization="org-1")
    assert create(sdk, "owner/rows").organization_id == "red"
    with pytest.raises(openai.BadRequestError, match="there is no such file"):  # it is of the project `default`
        create(sdk, file_id)
    sdk.close()


# ------------------------------------------------------------------ refusing

REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"method": {"type": "dpo"}}, "method.type", "fine-tuning here is `supervised`"),
    ({"method": {"type": "reinforcement"}}, "method.type", "reinforcement tuning are not offered"),
    ({"integrations": [{"type": "wandb", "wandb": {"project": "p"}}]}, "integrations", "none is offered here"),
    ({"training_file": "file-none"}, "training_file", "there is no such file"),
    ({"validation_file": "file-none"}, "validation_file", "there is no such file"),
    ({"model": "gpt-4o-mini"}, "model", "model 'gpt-4o-mini' is not known here: give a model of the hub"),
    ({"model": "ft:\0"}, "model", "holds a NUL character"),
    ({"metadata": {"k": "\0"}}, "metadata", "holds a NUL character"),
    ({"model": "ft:gone"}, "model", "is not known here"),
    ({"hyperparameters": {"n_epochs": 0}}, "hyperparameters.n_epochs", "greater than or equal to 1"),
    ({"hyperparameters": {"batch_size": 257}}, "hyperparameters.batch_size", "less than or equal to 256"),
    ({"hyperparameters": {"epochs": 1}}, "hyperparameters.epochs", "did you mean n_epochs"),
    ({"suffix": "x" * 65}, "suffix", "at most 64 characters"),
    ({"suffix": "漢字"}, "suffix", "give at least one letter or digit"),
    ({"metadata": {"k" * 65: "v"}}, "metadata", "at most 64 characters"),
    ({"metadata": {str(n): "v" for n in range(17)}}, "metadata", "at most 16 items"),
    ({"extra_body": {"n_epoch": 1}}, "n_epoch", "is not a known key"),
    ({"extra_body": {"tunesmith": {"stage": []}}}, "tunesmith.stage", "did you mean stages"),
    ({"extra_body": {"tunesmith": {"seed": 1}}}, "tunesmith.seed", "OpenAI's API has a field for it"),
    (
        {"extra_body": {"tunesmith": {"stages": [{"lora": {"r": 0}}]}}},
        "tunesmith.stages[0].lora.r",
        "greater than or equal to 1",
    ),
    (
        {"extra_body": {"tunesmith": {"stages": [{"replay_fraction": 0.5}]}}},
        "tunesmith",
        "the first stage has no earlier chat rows",
    ),
    (
        {"extra_body": {"tunesmith": {"stages": [{"data": {"source": "o/n"}}]}}},
        "training_file",
        "no stage of tunesmith.stages trains on it",
    ),
]


@pytest.mark.parametrize(("fields", "param", "message"), REFUSED, ids=[str(one[0])[:50] for one in REFUSED])
def test_what_cannot_be_is_a_bad_request_that_names_the_field(
    database: Services, api_url: str, fields: dict[str, Any], param: str, message: str
) -> None:
    sdk = Sdk(is_async=False, url=api_url, key=database.admin_key)
    file_id = upload(sdk, rows_of(5))
    with pytest.raises(openai.BadRequestError) as error:
        create(sdk, file_id, **fields)
    assert message in error.value.message
    assert str(error.value.param).startswith(param)
    assert sdk.all(sdk.client.fine_tuning.jobs.list()) == []
    sdk.close()


def test_hyperparameters_in_both_places_are_refused(sdk: Sdk, file_id: str) -> None:
    method = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 1}}}
    with pytest.raises(openai.BadRequestError, match="given twice"):
        create(sdk, file_id, method=method, hyperparameters={"n_epochs": 1})


def test_results_of_a_job_are_no_training_file(sdk: Sdk, client: httpx.Client, file_id: str) -> None:
    job = create(sdk, file_id)
    with transaction() as session:
        file = session.get_one(File, file_id)
        session.add(
            File(
                id="file-results",
                purpose=RESULTS,
                filename="r.csv",
                size_bytes=1,
                sha256="",
                format="csv",
                rows=1,
                trainable_rows=0,
                body_sha256="",
                job_id=job.id,
                project=file.project,
            )
        )
    with pytest.raises(openai.BadRequestError, match=f"file-results, the results of job {job.id}"):
        create(sdk, "file-results")
    spec = {"base_model": HUB, "stages": [{"name": "a", "data": {"source": "file-results"}}]}
    assert client.post("/jobs", json=spec).status_code == 422
    assert sdk(sdk.client.fine_tuning.jobs.retrieve(job.id)).result_files == ["file-results"]


def test_a_wrong_key_is_an_authentication_error(api_url: str, database: Services) -> None:
    sdk = Sdk(is_async=False, url=api_url, key="wrong")
    with pytest.raises(openai.AuthenticationError):
        sdk.all(sdk.client.fine_tuning.jobs.list())
    sdk.close()


def test_an_unknown_base_is_answered_with_those_that_exist(sdk: Sdk, file_id: str) -> None:
    with transaction() as session:
        model_registry.register_base(session, "base:m:1", base_model="o/m", location="/m")
    with pytest.raises(openai.BadRequestError, match=r"or a name that is known: base:m:1"):
        create(sdk, file_id, model="m")
    job = create(sdk, file_id, model="base:m:1")
    assert job.model == "o/m"


def test_what_openai_has_besides_is_a_404_with_the_reason(sdk: Sdk) -> None:
    with pytest.raises(openai.NotFoundError, match="graders are not offered"):
        sdk(sdk.client.fine_tuning.alpha.graders.validate(grader={"type": "string_check"}))
    with pytest.raises(openai.NotFoundError, match="permissions of checkpoints are not offered"):
        sdk(sdk.client.fine_tuning.checkpoints.permissions.create("ft:x", project_ids=["p"]))


# ------------------------------------------------------------------ listing and steering


def test_jobs_are_listed_page_by_page_and_by_metadata(sdk: Sdk, file_id: str) -> None:
    ids = [create(sdk, file_id, metadata={"n": str(n % 2)}).id for n in range(5)]
    jobs = sdk.client.fine_tuning.jobs
    assert [job.id for job in sdk.all(jobs.list(limit=2))] == ids[::-1]
    assert [job.id for job in sdk.all(jobs.list(after=ids[2]))] == [ids[1], ids[0]]
    assert [job.id for job in sdk.all(jobs.list(metadata={"n": "1"}))] == [ids[3], ids[1]]
    assert sdk.all(jobs.list(metadata={"n": "2"})) == []
    bare = create(sdk, file_id).id
    assert [job.id for job in sdk.all(jobs.list(extra_query={"metadata": "null"}))] == [bare]


def test_a_queued_job_is_paused_resumed_and_cancelled_each_twice(sdk: Sdk, file_id: str) -> None:
    jobs, job_id = sdk.client.fine_tuning.jobs, create(sdk, file_id).id
    for change, status in ((jobs.pause, "paused"), (jobs.resume, "queued"), (jobs.cancel, "cancelled")):
        assert sdk(change(job_id)).status == status
        assert sdk(change(job_id)).status == status
    assert sdk(jobs.retrieve(job_id)).finished_at is not None


def test_a_change_that_the_state_forbids_is_a_conflict_that_is_not_retried(sdk: Sdk, file_id: str) -> None:
    jobs, job_id = sdk.client.fine_tuning.jobs, create(sdk, file_id).id
    sdk(jobs.cancel(job_id))
    with pytest.raises(openai.ConflictError, match="only a queued or running job can be paused") as error:
        sdk(jobs.pause(job_id))
    assert error.value.response.headers["x-should-retry"] == "false"
    with pytest.raises(openai.NotFoundError):
        sdk(jobs.cancel("ftjob-none"))


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        (JobStatus.PREPARING, "validating_files"),
        (JobStatus.TRAINING, "running"),
        (JobStatus.MERGING, "running"),
        (JobStatus.DEPLOYING, "running"),
        (JobStatus.EVALUATING, "running"),
        (JobStatus.PAUSING, "pausing"),
        (JobStatus.CANCELLING, "cancelled"),
    ],
)
def test_each_status_is_shown_as_one_of_openais(sdk: Sdk, file_id: str, status: JobStatus, shown: str) -> None:
    job_id = create(sdk, file_id).id
    with transaction() as session:
        session.get_one(Job, job_id).status = status
    job = sdk(sdk.client.fine_tuning.jobs.retrieve(job_id))
    assert (job.status, job.tunesmith["status"]) == (shown, status)


def test_a_failed_job_says_why_and_what_to_do(sdk: Sdk, file_id: str) -> None:
    job_id, lease = create(sdk, file_id).id, claim()
    with transaction() as session:
        runs.finish(session, lease, JobStatus.FAILED, {"code": "bad_data", "message": "row 3 is bad", "stage": "sft"})
    job = sdk(sdk.client.fine_tuning.jobs.retrieve(job_id))
    assert (job.status, job.error.code, job.error.param) == ("failed", "bad_data", "training_file")
    assert job.error.message.startswith("row 3 is bad. What to do: mend the row")
    assert (job.fine_tuned_model, job.result_files, job.trained_tokens) == (None, [], 0)
    assert job.finished_at is not None


def test_a_model_that_was_tuned_is_trained_on_further_under_its_name(
    sdk: Sdk, client: httpx.Client, file_id: str, services: Services, base_model: Path
) -> None:
    first = create(sdk, file_id)
    folder = services.storage_path / "models" / first.id / "sft"
    shutil.copytree(base_model, folder)
    with transaction() as session:
        model_registry.register_model(
            session,
            "ft:m:x",
            stage="sft",
            base_model=HUB,
            location=f"models/{first.id}/sft",
            manifest={},
            job_id=first.id,
        )
    job = create(sdk, file_id, model="ft:m:x")
    assert job.model == "ft:m:x"
    assert own_view(client, job)["spec"]["base_model"] == str(folder)
