"""A project never sees, changes or names another's anything: every route is walked with one project's key."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import delete

from api.app import create_app
from core.db import transaction
from core.models import Evaluation, ModelUse
from tests.api.bodies import job_on
from tests.api.routes import routes
from tests.api.two_projects import IDEMPOTENCY_KEY, Tenant, client_with, tenant
from tests.api.uploading import empty_file_store, rows_of
from tests.conftest import Services
from tests.core.measured import Row, measure


@dataclass(frozen=True)
class Naming:
    """A way in which a request can name a thing of another project.

    `of` says which of a Tenant's things it is, and `request` is what is sent, given its id.  The answer must be just
    the one for an id that nothing has: `status`.
    """

    of: str
    status: int
    request: Callable[[str], dict[str, Any]] = lambda thing: {}
    accept: str = "application/json"


def by_path(of: str, **more: Any) -> list[Naming]:
    return [Naming(of, 404, lambda thing: more)]


def after(of: str) -> list[Naming]:
    return [Naming(of, 404, lambda thing: {"params": {"after": thing}})]


def reading(file_id: str) -> dict[str, Any]:
    return {"json": job_on(BASE, file_id)}


def measured_on(file_id: str) -> dict[str, Any]:
    return {"json": {"base_model": "Qwen/Qwen2.5-3B", "evaluation": {"chat": {"source": file_id}}}}


def made_of(folder: str) -> dict[str, Any]:
    return {"json": {"base_model": folder}}


BASE = Path("/nowhere")
JOB = [Naming("file", 404, reading), Naming("file", 404, measured_on), Naming("model_folder", 422, made_of)]
TUNING = {"model": "owner/name", "training_file": "owner/rows"}
OPEN = {"GET /health"}
NOT_OFFERED = [
    f"{method} /v1/fine_tuning/{rest}"
    for rest, methods in (
        ("alpha/{rest:path}", ("GET", "POST")),
        ("checkpoints/{checkpoint}/permissions", ("GET", "POST")),
        ("checkpoints/{checkpoint}/permissions/{permission_id}", ("DELETE",)),
    )
    for method in methods
]
"""They look at nothing."""
PASSED_ON = {"POST /v1/chat/completions", "POST /v1/completions"}
"""The gateway knows whose which model is: tests/inference/test_isolation.py."""

CASES: dict[str, Sequence[Naming]] = {
    "POST /jobs/preflight": JOB,
    "GET /jobs/preflight/{preflight_id}": by_path("preflight"),
    "GET /jobs/preflight/{preflight_id}/preview": by_path("preflight"),
    "GET /jobs/{job_id}/preflight": by_path("job"),
    "GET /jobs/{job_id}/preview": by_path("job"),
    "POST /jobs": JOB,
    "GET /jobs": after("job"),
    "GET /jobs/{job_id}": by_path("job"),
    "POST /jobs/{job_id}/cancel": by_path("job"),
    "POST /jobs/{job_id}/pause": by_path("job"),
    "POST /jobs/{job_id}/resume": by_path("job"),
    "POST /jobs/{job_id}/retry": by_path("job"),
    "POST /jobs/{job_id}/rerun": by_path("job"),
    "GET /jobs/{job_id}/runs": by_path("job"),
    "GET /jobs/{job_id}/events": [*by_path("job"), *by_path("job", headers={"accept": "text/event-stream"})],
    "GET /jobs/{job_id}/metrics": by_path("job"),
    "GET /jobs/{job_id}/health": by_path("job"),
    "GET /jobs/{job_id}/scorecard": by_path("job"),
    "GET /jobs/{job_id}/answers": by_path("job"),
    "GET /jobs/{job_id}/artefacts": by_path("job"),
    "POST /files": [],
    "GET /files": after("file"),
    "GET /files/{file_id}": by_path("file"),
    "GET /files/{file_id}/content": by_path("file"),
    "DELETE /files/{file_id}": by_path("file"),
    "GET /models": [*after("model"), *after("base")],
    "GET /models/{model_id}": [*by_path("model"), *by_path("base")],
    "GET /models/{model_id}/compare/{older_id}": [*by_path("model"), *by_path("base")],
    "GET /models/{model_id}/manifest": [*by_path("model"), *by_path("base")],
    "GET /models/{model_id}/card": [*by_path("model"), *by_path("base")],
    "GET /deployments": after("deployment"),
    "GET /deployments/{deployment_id}": by_path("deployment"),
    "POST /deployments": [
        Naming("model", 404, lambda thing: {"json": {"model": thing, "alias": "mine"}}),
        Naming("base", 404, lambda thing: {"json": {"model": thing, "alias": "mine"}}),
    ],
    "POST /deployments/{deployment_id}/rollback": by_path("deployment"),
    "GET /aliases": [],
    "GET /keys": after("key"),
    "POST /keys": [Naming("project", 403, lambda thing: {"json": {"name": "x", "project": thing}})],
    "GET /keys/{key_id}": by_path("key"),
    "DELETE /keys/{key_id}": by_path("key"),
    "GET /projects": [],
    "POST /projects": [Naming("project", 403, lambda thing: {"json": {"name": thing}})],
    "GET /projects/{name}": by_path("project"),
    "PATCH /projects/{name}": by_path("project", json={"gpu_hours": 0}),
    "GET /audit": after("audit"),
    "GET /workers": [],
    "GET /storage": [],
    "POST /v1/files": [],
    "GET /v1/files": after("file"),
    "GET /v1/files/{file_id}": by_path("file"),
    "GET /v1/files/{file_id}/content": by_path("file"),
    "DELETE /v1/files/{file_id}": by_path("file"),
    "POST /v1/fine_tuning/jobs": [
        Naming("file", 400, lambda thing: {"json": {"model": "owner/name", "training_file": thing}}),
        Naming("file", 400, lambda thing: {"json": {**TUNING, "validation_file": thing}}),
        *(
            Naming(of, 400, lambda thing: {"json": {**TUNING, "model": thing}})
            for of in ("model", "base", "alias", "model_folder")
        ),
    ],
    "GET /v1/fine_tuning/jobs": after("job"),
    "GET /v1/fine_tuning/jobs/{job_id}": by_path("job"),
    "POST /v1/fine_tuning/jobs/{job_id}/cancel": by_path("job"),
    "POST /v1/fine_tuning/jobs/{job_id}/pause": by_path("job"),
    "POST /v1/fine_tuning/jobs/{job_id}/resume": by_path("job"),
    "GET /v1/fine_tuning/jobs/{job_id}/events": by_path("job"),
    "GET /v1/fine_tuning/jobs/{job_id}/checkpoints": by_path("job"),
    "GET /v1/models": [],
    "GET /v1/models/{model:path}": [*by_path("model"), *by_path("base"), *by_path("alias")],
    "DELETE /v1/models/{model:path}": [*by_path("model"), *by_path("base"), *by_path("alias")],
    **dict.fromkeys(NOT_OFFERED, ()),
}
LISTS: dict[str, list[dict[str, str]]] = {
    "/jobs": [{}, {"status": "training"}, {"metadata[of]": "secrets-of-team-b"}],
    "/files": [{}, {"purpose": "fine-tune"}],
    "/models": [{}],
    "/deployments": [{}, {"alias": "alias-of-team-b"}, {"model": "ft:tiny:team-b:x:1-chat"}, {"status": "pending"}],
    "/aliases": [{}],
    "/keys": [{}],
    "/projects": [{}],
    "/audit": [{}, {"thing": "alias-of-team-b"}],
    "/workers": [{}],
    "/storage": [{}],
    "/v1/files": [{}, {"order": "asc"}],
    "/v1/fine_tuning/jobs": [{}, {"metadata[of]": "secrets-of-team-b"}],
    "/v1/models": [{}],
}
NOBODYS = "nobodys"


@pytest.fixture(scope="module")
def _storage(services: Services) -> Iterator[None]:
    yield
    empty_file_store()


@pytest.fixture
def both(client: httpx.Client, database: Services, base_model: Path, _storage: None) -> tuple[Tenant, Tenant]:
    """Project a, whose key the tests use, and team-b, which must not be seen."""
    return tenant(database, client, base_model, "team-a"), tenant(database, client, base_model, "team-b")


@pytest.fixture
def its(client: httpx.Client, both: tuple[Tenant, Tenant]) -> Iterator[httpx.Client]:
    with client_with(client, both[0].secret) as its:
        yield its


def everything_of(client: httpx.Client, owner: Tenant) -> list[Any]:
    """All that its own key is told of it."""
    ids = (f"/jobs/{owner.job}", f"/jobs/{owner.job}/events", f"/jobs/preflight/{owner.preflight}")
    with client_with(client, owner.secret) as own:
        answers = [own.get(path) for path in (*LISTS, *ids, f"/files/{owner.file}", f"/deployments/{owner.deployment}")]
    shown = [answer.raise_for_status().json() for answer in answers]
    return [_without_times(one) for one in shown]


def _without_times(value: Any) -> Any:
    """What nobody changed may still differ in when it was seen, or measured."""
    if isinstance(value, dict):
        moving = {"last_used_at", "measured_at", "seen_at", "free_bytes", "used_gpu_hours", "expected_end"}
        return {name: _without_times(each) for name, each in value.items() if name not in moving}
    return [_without_times(each) for each in value] if isinstance(value, list) else value


def test_every_route_has_a_case() -> None:
    """Whoever adds a route says here how a request to it could name another project's things."""
    assert set(CASES) | OPEN | PASSED_ON == routes(create_app().routes)


def test_whatever_names_anothers_thing_is_answered_as_if_there_was_none(
    client: httpx.Client, its: httpx.Client, both: tuple[Tenant, Tenant], base_model: Path
) -> None:
    """Over every route and every place in a request; and the other project is afterwards what it was."""
    _, other = both
    before = everything_of(client, other)
    wrong = []
    for case, namings in CASES.items():
        method, path = case.split(" ")
        for naming in namings:
            theirs, nobodys = (
                _ask(its, method, path, naming, thing, base_model)
                for thing in (str(getattr(other, naming.of)), _nobodys(naming.of, other))
            )
            if not (theirs == nobodys and theirs[0] == naming.status):
                wrong.append((case, naming.of, theirs, nobodys))
    assert wrong == []
    assert everything_of(client, other) == before


def _ask(client: httpx.Client, method: str, path: str, naming: Naming, thing: str, base_model: Path) -> tuple[int, str]:
    """Status and text of the answer, the thing's name left out."""
    filled = "/".join(thing if part.startswith("{") else part for part in path.split("/"))
    request = naming.request(thing)
    if request.get("json", {}).get("base_model") == str(BASE):
        request["json"]["base_model"] = str(base_model)
    answer = client.request(method, filled, **request)
    return answer.status_code, answer.text.replace(thing, NOBODYS)


def _nobodys(of: str, other: Tenant) -> str:
    """An id in the form of that thing's that nothing has."""
    real = str(getattr(other, of))
    return real[:-2] + ("xy" if real[-2:] != "xy" else "yx")


def test_no_list_and_no_filter_shows_anothers(
    client: httpx.Client, its: httpx.Client, both: tuple[Tenant, Tenant]
) -> None:
    own, other = both
    for path, filters in LISTS.items():
        for parameters in filters:
            text = its.get(path, params=parameters).raise_for_status().text
            assert not [mark for mark in other.marks if mark in text], (path, parameters)
    for path, thing in (("/jobs", own.job), ("/files", own.file), ("/models", own.base), ("/aliases", own.alias)):
        assert thing in its.get(path).text
    listed = [case.split(" ")[1] for case in CASES if case.startswith("GET") and "{" not in case]
    assert set(listed) == set(LISTS)


def test_what_is_ones_own_is_shown_in_full(its: httpx.Client, both: tuple[Tenant, Tenant]) -> None:
    """So that a walk over answers that are all empty could not pass."""
    own, _ = both
    for path in (f"/jobs/{own.job}", f"/jobs/{own.job}/events", f"/jobs/{own.job}/scorecard", f"/jobs/{own.job}/runs"):
        assert its.get(path).status_code == 200, path
    assert len(its.get(f"/jobs/{own.job}/metrics").json()["data"]) == 1
    assert its.get(f"/jobs/{own.job}/preview", headers={"accept": "application/json"}).status_code == 200
    assert "secrets-of-team-a" in its.get(f"/jobs/preflight/{own.preflight}/preview").text
    assert its.get(f"/files/{own.file}/content").content == rows_of(20)
    assert its.get("/workers").json()["data"][0]["job_id"] == own.job
    assert its.get("/storage").json()["files_bytes"] == len(rows_of(20))


def test_the_same_idempotency_key_makes_each_project_its_own(its: httpx.Client, both: tuple[Tenant, Tenant]) -> None:
    own, other = both
    headers = {"Idempotency-Key": IDEMPOTENCY_KEY}
    with client_with(its, other.secret) as theirs:
        body = {"model": other.model, "alias": other.alias}
        assert theirs.post("/deployments", json=body, headers=headers).status_code in (200, 201)
    answer = its.post("/deployments", json={"model": own.model, "alias": own.alias}, headers=headers)
    assert (answer.status_code, answer.json()["model"]) == (201, own.model)
    job = its.post("/jobs", json={"base_model": "Qwen/Qwen2.5-3B"}, headers=headers)
    assert (job.status_code, job.json()["error"]["param"]) == (422, "Idempotency-Key")
    assert own.job in job.text


def test_an_alias_is_of_the_project_that_deployed_it_first(
    client: httpx.Client, its: httpx.Client, both: tuple[Tenant, Tenant]
) -> None:
    own, other = both
    taken = its.post("/deployments", json={"model": own.model, "alias": other.alias})
    assert (taken.status_code, taken.json()["error"]["code"]) == (409, "conflict")
    assert not [mark for mark in other.marks - {other.alias} if mark in taken.text]
    assert its.post("/deployments", json={"model": own.model}).json()["alias"] == "team-a/tunesmith"
    for reserved in ("tunesmith", "team-b/tunesmith"):
        assert its.post("/deployments", json={"model": own.model, "alias": reserved}).status_code == 409
    over = client.post("/deployments", json={"model": own.model, "alias": other.alias})
    assert over.status_code == 201


def test_a_superseding_preflight_cancels_none_of_anothers(
    client: httpx.Client, its: httpx.Client, both: tuple[Tenant, Tenant]
) -> None:
    _, other = both
    body = {"base_model": "Qwen/Qwen2.5-3B"}
    with client_with(client, other.secret) as theirs:
        asked = theirs.post("/jobs/preflight", params={"wait_s": 0}, json=body).json()["id"]
        its.post("/jobs/preflight", params={"wait_s": 0, "supersedes": asked}, json={**body, "seed": 1})
        assert theirs.get(f"/jobs/preflight/{asked}").json()["status"] == "queued"


def test_every_route_refuses_no_key_and_another_projects_name(its: httpx.Client, both: tuple[Tenant, Tenant]) -> None:
    _, other = both
    for case in [*CASES, *PASSED_ON]:
        method, path = case.split(" ")
        filled = "/".join(NOBODYS if part.startswith("{") else part for part in path.split("/"))
        without = httpx.request(method, f"{its.base_url}{filled}")
        assert without.status_code == 401, case
        elsewhere = its.request(method, filled, headers={"OpenAI-Project": other.project})
        assert (elsewhere.status_code, elsewhere.json()["error"]["code"]) == (403, "permission_denied"), case


def test_answers_are_compared_with_no_answers_of_another_projects_jobs(
    client: httpx.Client, its: httpx.Client, both: tuple[Tenant, Tenant]
) -> None:
    own, other = both
    base = own.base
    with transaction() as session:
        session.execute(delete(Evaluation))
        session.add(ModelUse(project=other.project, model_id=base))
    measure(own.job, "chat", Row("asked by both", True), model=own.model)
    measure(other.job, "base", Row("asked by both", False), model=base)
    assert its.get(f"/models/{own.model}/compare/{base}").json()["suites"] == {}
    wanted = {"stage": "chat", "verdict": "won"}
    assert its.get(f"/jobs/{own.job}/answers", params={**wanted, "against": base}).json()["data"] == []
    assert its.get(f"/jobs/{own.job}/answers", params={**wanted, "against": other.model}).status_code == 404
    assert client.get(f"/models/{own.model}/compare/{base}").json()["suites"]["tools"]["won"] == 1


def test_the_admin_key_sees_all_or_the_one_that_it_names(client: httpx.Client, both: tuple[Tenant, Tenant]) -> None:
    own, other = both
    everything = client.get("/jobs").json()["data"]
    assert {job["id"] for job in everything} == {own.job, other.job}
    [job] = client.get("/jobs", headers={"OpenAI-Project": "team-b"}).json()["data"]
    assert job["id"] == other.job
    assert client.get(f"/jobs/{own.job}", headers={"OpenAI-Project": "team-b"}).status_code == 404
