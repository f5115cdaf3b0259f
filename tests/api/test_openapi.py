"""The OpenAPI document: the promised paths, the error shape, and examples that are valid."""

from api.app import create_app
from api.examples import DEPLOYMENT_EXAMPLES, FINE_TUNING_JOB_EXAMPLES, JOB_EXAMPLES
from api.openai.create import CreateJob
from api.schemas.deployments import DeploymentRequest
from core.spec import JobSpec
from tests.conftest import Services

PATHS = {
    "/jobs": {"get", "post"},
    "/jobs/preflight": {"post"},
    "/jobs/preflight/{preflight_id}": {"get"},
    "/jobs/preflight/{preflight_id}/preview": {"get"},
    "/jobs/{job_id}": {"get"},
    "/jobs/{job_id}/preflight": {"get"},
    "/jobs/{job_id}/preview": {"get"},
    "/jobs/{job_id}/events": {"get"},
    "/jobs/{job_id}/metrics": {"get"},
    "/jobs/{job_id}/health": {"get"},
    "/jobs/{job_id}/scorecard": {"get"},
    "/jobs/{job_id}/answers": {"get"},
    "/jobs/{job_id}/cancel": {"post"},
    "/jobs/{job_id}/pause": {"post"},
    "/jobs/{job_id}/resume": {"post"},
    "/jobs/{job_id}/retry": {"post"},
    "/jobs/{job_id}/rerun": {"post"},
    "/jobs/{job_id}/runs": {"get"},
    "/jobs/{job_id}/artefacts": {"get"},
    "/files": {"get", "post"},
    "/files/{file_id}": {"get", "delete"},
    "/files/{file_id}/content": {"get"},
    "/storage": {"get"},
    "/audit": {"get"},
    "/keys": {"get", "post"},
    "/keys/{key_id}": {"get", "delete"},
    "/projects": {"get", "post"},
    "/projects/{name}": {"get", "patch"},
    "/workers": {"get"},
    "/models": {"get"},
    "/models/{model_id}": {"get"},
    "/models/{model_id}/compare/{older_id}": {"get"},
    "/models/{model_id}/manifest": {"get"},
    "/models/{model_id}/card": {"get"},
    "/deployments": {"get", "post"},
    "/deployments/{deployment_id}": {"get"},
    "/deployments/{deployment_id}/rollback": {"post"},
    "/aliases": {"get"},
    "/v1/chat/completions": {"post"},
    "/v1/completions": {"post"},
    "/v1/models": {"get"},
    "/v1/models/{model}": {"get", "delete"},
    "/v1/files": {"get", "post"},
    "/v1/files/{file_id}": {"get", "delete"},
    "/v1/files/{file_id}/content": {"get"},
    "/v1/fine_tuning/jobs": {"get", "post"},
    "/v1/fine_tuning/jobs/{job_id}": {"get"},
    "/v1/fine_tuning/jobs/{job_id}/cancel": {"post"},
    "/v1/fine_tuning/jobs/{job_id}/pause": {"post"},
    "/v1/fine_tuning/jobs/{job_id}/resume": {"post"},
    "/v1/fine_tuning/jobs/{job_id}/events": {"get"},
    "/v1/fine_tuning/jobs/{job_id}/checkpoints": {"get"},
    "/health": {"get"},
}


def test_the_document_has_exactly_the_promised_paths(services: Services) -> None:
    paths = create_app().openapi()["paths"]
    assert {path: set(methods) for path, methods in paths.items()} == PATHS


def test_every_422_is_documented_in_the_one_shape(services: Services) -> None:
    for methods in create_app().openapi()["paths"].values():
        for operation in methods.values():
            schema = operation["responses"]["422"]["content"]["application/json"]["schema"]
            assert schema["$ref"].endswith("/ErrorBody")


def test_every_example_is_valid() -> None:
    for example in JOB_EXAMPLES.values():
        JobSpec.model_validate(example["value"])
    for example in FINE_TUNING_JOB_EXAMPLES.values():
        CreateJob.model_validate(example["value"])
    for example in DEPLOYMENT_EXAMPLES.values():
        DeploymentRequest.model_validate(example["value"])
