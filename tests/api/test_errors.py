"""Every error has the one shape, the right status and a request id."""

from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from api.app import create_app
from tests.api.bodies import RECIPE
from tests.api.conftest import client_of, running_api
from tests.conftest import Services


def error_of(answer: httpx.Response, status: int) -> dict[str, str]:
    assert answer.status_code == status, answer.text
    assert answer.headers["x-request-id"]
    [(name, error)] = answer.json().items()
    assert name == "error"
    assert set(error) == {"message", "type", "param", "code"}
    return dict(error)


@pytest.mark.parametrize("key", [None, "Bearer wrong", "Bearer", "Basic dGVzdA==", "Bearer ß"])
@pytest.mark.parametrize("path", ["/jobs", "/models", "/deployments", "/v1/models"])
def test_a_request_without_the_key_is_refused(client: httpx.Client, path: str, key: str | None) -> None:
    headers = {} if key is None else {b"authorization": key.encode()}
    answer = httpx.get(f"{client.base_url}{path}", headers=headers)
    assert error_of(answer, 401)["code"] == "invalid_api_key"
    assert answer.headers["www-authenticate"] == "Bearer"


def test_health_needs_no_key(client: httpx.Client) -> None:
    answer = httpx.get(f"{client.base_url}/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "database": "ok"})


def test_an_unknown_path_and_a_wrong_method(client: httpx.Client) -> None:
    assert "GET /nowhere" in error_of(client.get("/nowhere"), 404)["message"]
    assert error_of(client.delete("/jobs"), 405)["code"] == "method_not_allowed"


def test_an_unknown_job_is_named(client: httpx.Client) -> None:
    for path in ("", "/events", "/metrics", "/scorecard"):
        assert "ftjob-x" in error_of(client.get(f"/jobs/ftjob-x{path}"), 404)["message"]
    assert "ftjob-x" in error_of(client.post("/jobs/ftjob-x/cancel"), 404)["message"]


@pytest.mark.parametrize(
    ("content", "status", "message"),
    [
        (b"", 422, "the body is missing"),
        (b"{", 422, "not valid JSON"),
        (b"[]", 422, "must be a JSON object"),
        (b"{}", 422, "base_model is missing"),
        (b'{"base_model": "\xff"}', 400, "parsing the body"),
        (b'{"base_model": "a/b", "seed": NaN}', 422, "seed"),
        (b'{"base_model": "a\\ud800/b"}', 422, "base_model"),
        (b"[" * 200_000, 400, "parsing the body"),
    ],
)
def test_a_body_that_is_no_job(client: httpx.Client, content: bytes, status: int, message: str) -> None:
    answer = client.post("/jobs", content=content, headers={"content-type": "application/json"})
    assert message in error_of(answer, status)["message"]


def test_a_body_sent_as_a_form_is_told_the_content_type(client: httpx.Client) -> None:
    answer = client.post("/jobs", content=b"{}", headers={"content-type": "application/x-www-form-urlencoded"})
    assert "Content-Type: application/json" in error_of(answer, 422)["message"]


def test_a_url_with_a_nul_is_refused(client: httpx.Client) -> None:
    error_of(client.get("/jobs/%00"), 422)
    error_of(client.get("/jobs?after=%00"), 422)


def test_a_given_request_id_is_kept_and_a_strange_one_replaced(client: httpx.Client) -> None:
    assert client.get("/health", headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
    assert client.get("/health", headers={"x-request-id": "a b"}).headers["x-request-id"].startswith("req_")


async def test_an_unhandled_error_is_a_500_that_names_its_request(services: Services) -> None:
    app: FastAPI = create_app()

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("a secret detail")

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
        answer = await client.get("/broken")
    message = error_of(answer, 500)["message"]
    assert answer.headers["x-request-id"] in message
    assert "secret" not in message


def test_a_database_that_is_away_is_a_503(services: Services, tmp_path: Path) -> None:
    nowhere = f"postgresql://postgres@/tunesmith?host={tmp_path}"
    with (
        running_api(services, tmp_path / "api.log", DATABASE_URL=nowhere) as url,
        client_of(services, url) as client,
    ):
        assert client.get("/health").status_code == 503
        assert error_of(client.get("/jobs"), 503)["code"] == "database_unavailable"
        assert error_of(client.post("/jobs", json=RECIPE), 503)["code"] == "database_unavailable"


def test_the_server_does_not_start_without_a_key(services: Services, tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    with (
        pytest.raises(AssertionError, match="TUNESMITH_ADMIN_KEY is not set"),
        running_api(services, log, TUNESMITH_ADMIN_KEY=""),
    ):
        pass
