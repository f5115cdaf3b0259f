"""The OpenAI inference paths reach the gateway and come back unchanged."""

from pathlib import Path

import httpx

from bench.ports import free_port
from tests.api.conftest import client_of, running_api
from tests.conftest import Services


def test_a_chat_completion_passes_through_with_body_and_headers(client: httpx.Client) -> None:
    body = '{"model": "tunesmith",  "messages": []}'
    answer = client.post("/v1/chat/completions?a=b", content=body, headers={"content-type": "application/json"})
    seen = answer.json()
    assert (seen["method"], seen["path"], seen["body"]) == ("POST", "/v1/chat/completions?a=b", body)
    assert seen["headers"]["authorization"].startswith("Bearer ")
    assert seen["headers"]["x-request-id"] == answer.headers["x-request-id"]
    assert answer.headers["x-tunesmith-model-version"] == "m1"


def test_plain_completions_pass_through_too(client: httpx.Client) -> None:
    assert client.post("/v1/completions", json={}).json()["path"] == "/v1/completions"


def test_nothing_else_below_v1_reaches_the_gateway(client: httpx.Client) -> None:
    assert client.post("/v1/load_lora_adapter", json={}).status_code == 404


def test_a_gateway_that_is_away_is_a_502_in_the_one_shape(services: Services, tmp_path: Path) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    with (
        running_api(services, tmp_path / "api.log", TUNESMITH_INFERENCE_URL=nowhere) as url,
        client_of(services, url) as client,
    ):
        answer = client.post("/v1/chat/completions", json={})
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_failed")


def test_a_key_for_inference_opens_nothing_else(services: Services, tmp_path: Path) -> None:
    env = {"TUNESMITH_INFERENCE_KEYS": "one,two", "TUNESMITH_INFERENCE_URL": f"http://127.0.0.1:{free_port()}"}
    headers = {"authorization": "Bearer two"}
    with running_api(services, tmp_path / "api.log", **env) as url:
        answer = httpx.post(f"{url}/v1/completions", headers=headers)
        models = httpx.get(f"{url}/v1/models", headers=headers)
        closed = [httpx.get(f"{url}/{path}", headers=headers) for path in ("jobs", "v1/fine_tuning/jobs", "v1/files")]
        closed.append(httpx.delete(f"{url}/v1/models/m", headers=headers))
    assert answer.json()["error"]["code"] == "upstream_failed"  # There is no gateway here.
    assert models.status_code == 200
    assert {(each.status_code, each.json()["error"]["code"]) for each in closed} == {(403, "permission_denied")}
