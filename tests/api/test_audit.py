"""The audit log: an entry for every change, in the transaction of the change, and none of anything else."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from api.access import CHANGING
from api.app import create_app
from core import db
from tests.api.bodies import RECIPE, job_on
from tests.api.routes import routes
from tests.api.test_isolation import NOT_OFFERED, PASSED_ON, TUNING
from tests.api.two_projects import Tenant, client_with, tenant
from tests.api.uploading import empty_file_store, post, rows_of
from tests.conftest import ADMIN_KEY, Services
from tests.core.kept_files import CHAT, ended_job, model_id
from tests.core.manifests import register_models

Change = Callable[[httpx.Client, Tenant], httpx.Response]


def on(path: str, **body: Any) -> Change:
    """POST to it, with the tenant's ids filled in."""
    return lambda client, own: client.post(path.format(**vars_of(own)), **body)


def vars_of(own: Tenant) -> dict[str, str]:
    return {name: str(getattr(own, name)) for name in ("job", "file", "key", "deployment", "project", "model")}


def retried(client: httpx.Client, own: Tenant) -> httpx.Response:
    """A job that was cancelled before it began."""
    job_id = client.post("/jobs", json=RECIPE).json()["id"]
    client.post(f"/jobs/{job_id}/cancel").raise_for_status()
    return client.post(f"/jobs/{job_id}/retry")


def rerun(client: httpx.Client, own: Tenant) -> httpx.Response:
    """A job of the hub that has made a model of each stage."""
    job = client.post("/jobs", json=RECIPE).json()
    register_models(job)
    return client.post(f"/jobs/{job['id']}/rerun")


def removed(client: httpx.Client, own: Tenant) -> httpx.Response:
    """A model of a job that has ended."""
    return client.delete(f"/v1/models/{model_id(ended_job(), CHAT)}")


CHANGES: dict[str, Change] = {
    "POST /jobs": on("/jobs", json=RECIPE),
    "POST /jobs/preflight": on("/jobs/preflight?wait_s=0", json=RECIPE),
    "POST /jobs/{job_id}/cancel": on("/jobs/{job}/cancel"),
    "POST /jobs/{job_id}/pause": on("/jobs/{job}/pause"),
    "POST /jobs/{job_id}/resume": on("/jobs/{job}/resume"),
    "POST /jobs/{job_id}/retry": retried,
    "POST /jobs/{job_id}/rerun": rerun,
    "POST /files": lambda client, own: post(client, rows_of(3)),
    "DELETE /files/{file_id}": lambda client, own: client.delete(f"/files/{post(client, rows_of(4)).json()['id']}"),
    "POST /v1/files": lambda client, own: post(client, rows_of(5), at="/v1/files"),
    "DELETE /v1/files/{file_id}": lambda client, own: client.delete(
        f"/v1/files/{post(client, rows_of(6)).json()['id']}"
    ),
    "POST /v1/fine_tuning/jobs": on("/v1/fine_tuning/jobs", json=TUNING),
    "POST /v1/fine_tuning/jobs/{job_id}/cancel": on("/v1/fine_tuning/jobs/{job}/cancel"),
    "POST /v1/fine_tuning/jobs/{job_id}/pause": on("/v1/fine_tuning/jobs/{job}/pause"),
    "POST /v1/fine_tuning/jobs/{job_id}/resume": on("/v1/fine_tuning/jobs/{job}/resume"),
    "DELETE /v1/models/{model:path}": removed,
    "POST /deployments": lambda client, own: client.post("/deployments", json={"model": own.model, "alias": "new"}),
    "POST /deployments/{deployment_id}/rollback": on("/deployments/{deployment}/rollback"),
    "POST /keys": on("/keys", json={"name": "another"}),
    "DELETE /keys/{key_id}": lambda client, own: client.delete(f"/keys/{own.key}"),
    "POST /projects": on("/projects", json={"name": "a-new-one"}),
    "PATCH /projects/{name}": lambda client, own: client.patch("/projects/team-a", json={"weight": 2}),
}


@pytest.fixture
def own(client: httpx.Client, database: Services, base_model: Path) -> Iterator[Tenant]:
    yield tenant(database, client, base_model, "team-a")
    empty_file_store()


def log_of(client: httpx.Client, **filters: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = client.get("/audit", params={"limit": "100", **filters}).json()["data"]
    return entries


@contextmanager
def no_audit_log() -> Iterator[None]:
    """Nothing can be written into it meanwhile."""
    with db.engine().begin() as connection:
        connection.execute(text("ALTER TABLE audit RENAME TO audit_away"))
    try:
        yield
    finally:
        with db.engine().begin() as connection:
            connection.execute(text("ALTER TABLE audit_away RENAME TO audit"))


def test_every_route_that_changes_something_has_a_case() -> None:
    changing = {route for route in routes(create_app().routes) if route.split(" ")[0] in CHANGING}
    assert set(CHANGES) == changing - PASSED_ON - set(NOT_OFFERED)


@pytest.mark.parametrize("route", CHANGES)
def test_a_change_leaves_one_entry_that_says_who_what_and_whence(client: httpx.Client, own: Tenant, route: str) -> None:
    before = {entry["id"] for entry in log_of(client)}
    answer = CHANGES[route](client, own)
    assert answer.is_success, answer.text
    made = [entry for entry in log_of(client) if entry["id"] not in before and entry["action"] == route]
    [entry] = made
    assert (entry["key"], entry["project"], entry["address"]) == ("TUNESMITH_ADMIN_KEY", None, "127.0.0.1")
    assert entry["request_id"] == answer.headers["x-request-id"]
    assert entry["outcome"] == "done"
    assert entry["thing"] in (answer.json().get("id"), answer.json().get("name"), own.deployment)


UNPREPARED = [
    route for route in CHANGES if not route.endswith(("/resume", "/retry", "/rerun")) and "DELETE /" not in route
]
"""Those whose case makes nothing else before, and that change something of a job at work."""


@pytest.mark.parametrize("route", [*UNPREPARED, "DELETE /keys/{key_id}"])
def test_a_change_that_cannot_be_written_down_is_not_made(client: httpx.Client, own: Tenant, route: str) -> None:
    """So the entry is in the transaction of the change."""
    before = _counted()
    with no_audit_log():
        assert CHANGES[route](client, own).status_code == 500
    assert _counted() == before


def _counted() -> list[tuple[Any, ...]]:
    """Everything that a request changes, but for when it was seen."""
    tables = {
        "jobs": "id, status",
        "files": "id, deleted_at",
        "preflights": "id, status",
        "deployments": "id, status",
        "keys": "id, revoked_at",
        "projects": "name, weight",
        "aliases": "alias, project",
    }
    with db.engine().begin() as connection:
        return [
            tuple(row)
            for table, columns in tables.items()
            for row in connection.execute(text(f"SELECT {columns} FROM {table} ORDER BY 1"))
        ]


def test_what_is_read_leaves_no_entry(client: httpx.Client, own: Tenant) -> None:
    before = log_of(client)
    for path in ("/jobs", f"/jobs/{own.job}", "/keys", "/audit", "/v1/models"):
        assert client.get(path).status_code == 200
    assert client.post("/v1/chat/completions", json={"model": "x"}).status_code == 200
    assert log_of(client) == before


def test_a_repeated_request_that_changes_nothing_leaves_no_entry(client: httpx.Client, own: Tenant) -> None:
    headers = {"Idempotency-Key": "once"}
    jobs = [client.post("/jobs", json=RECIPE, headers=headers).json()["id"] for _ in range(2)]
    assert jobs[0] == jobs[1]
    assert len(log_of(client, thing=jobs[0])) == 1


def test_an_attempt_at_what_is_not_allowed_is_kept(client: httpx.Client, own: Tenant) -> None:
    key = client.post("/keys", json={"name": "x", "scopes": ["infer"], "project": "team-a"}).json()
    with client_with(client, key["secret"]) as its:
        assert its.post(f"/jobs/{own.job}/cancel").status_code == 403
        assert its.get("/jobs").status_code == 403
    [entry] = log_of(client, key=key["id"])
    assert (entry["outcome"], entry["thing"], entry["project"]) == ("permission_denied", own.job, "team-a")


def test_a_key_of_one_project_sees_what_was_done_within_it(client: httpx.Client, own: Tenant) -> None:
    client.post("/jobs", json=RECIPE, headers={"OpenAI-Project": "team-b"})
    client.post(f"/jobs/{own.job}/pause", headers={"OpenAI-Project": "team-a"})
    with client_with(client, own.secret) as its:
        seen = log_of(its)
    assert {entry["project"] for entry in seen} == {"team-a"}
    assert seen[0]["action"] == "POST /jobs/{job_id}/pause"


def test_the_log_is_read_page_by_page(client: httpx.Client, own: Tenant) -> None:
    whole = log_of(client)
    page = client.get("/audit", params={"limit": 1}).json()
    rest = client.get("/audit", params={"after": page["last_id"]}).json()["data"]
    assert page["data"] + rest == whole
    assert page["has_more"] is True


def test_no_secret_is_in_the_log(client: httpx.Client, own: Tenant, base_model: Path) -> None:
    made = client.post("/keys", json={"name": "x"}).json()
    client.post("/jobs", json=job_on(base_model, own.file, name="chat"), headers={"OpenAI-Project": "team-a"})
    with db.engine().begin() as connection:
        rows = str(connection.execute(text("SELECT * FROM audit")).all())
    for secret in (ADMIN_KEY, own.secret, made["secret"], made["prefix"]):
        assert secret not in rows
