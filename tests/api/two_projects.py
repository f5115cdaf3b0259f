"""Two projects, each with one of everything, and a key that opens all of its own one."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from core import deployments, evaluations, model_registry, preflights, runs
from core.db import transaction
from core.estimate import Found, make
from core.events import add_event
from core.models import Job
from core.spec import DeploySpec, JobSpec
from core.states import JobStatus, PreflightStatus
from tests.api.bodies import job_on, write_base_model
from tests.api.uploading import rows_of, uploaded
from tests.conftest import Services
from tests.core.measured import Row, scores_of
from tests.core.sessions import DEVICE

STAGE = "chat"
IDEMPOTENCY_KEY = "a-key-that-both-use"
METRIC = {"stage": STAGE, "step": 1, "tokens": 9, "epoch": 0.1, "loss": 1.0, "grad_norm": 1.0, "learning_rate": 1e-4}


@dataclass(frozen=True)
class Tenant:
    """A project, its key, and the ids of what it has."""

    project: str
    secret: str
    key: str
    file: str
    job: str
    preflight: str
    model: str
    base: str
    deployment: str
    alias: str
    model_folder: Path
    audit: str

    @property
    def marks(self) -> set[str]:
        """What in an answer tells that it is about this project's."""
        ids = {self.key, self.file, self.job, self.preflight, self.model, self.base, self.deployment, self.alias}
        ids.add(self.audit)
        return {*ids, self.secret, f'"{self.project}"', f"secrets-of-{self.project}"}


@contextmanager
def client_with(client: httpx.Client, secret: str) -> Iterator[httpx.Client]:
    """The same api, called with another key."""
    headers = {"authorization": f"Bearer {secret}"}
    with httpx.Client(base_url=client.base_url, headers=headers, timeout=30) as other:
        yield other


def tenant(services: Services, admin: httpx.Client, base_model: Path, project: str) -> Tenant:
    """A project with one of everything."""
    key = admin.post("/keys", json={"name": "all", "scopes": ["admin"], "project": project}).raise_for_status().json()
    with client_with(admin, key["secret"]) as own:
        file = uploaded(own, rows_of(20), f"secrets-of-{project}.jsonl")["id"]
        body = {**job_on(base_model, file), "metadata": {"of": f"secrets-of-{project}"}, "suffix": project}
        job = own.post("/jobs", json=body, headers={"Idempotency-Key": IDEMPOTENCY_KEY}).raise_for_status().json()["id"]
        audit = own.get("/audit").json()["data"][0]["id"]
    preflight = _preflight(JobSpec.model_validate(body), project)
    folder = services.storage_path / "models" / job / STAGE
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    write_base_model(folder)
    model, base, deployment, alias = _run(job, project, folder)
    return Tenant(
        project, key["secret"], key["id"], file, job, preflight, model, base, deployment, alias, folder, audit
    )


def _preflight(spec: JobSpec, project: str) -> str:
    """An ended one, with a preview."""
    rows = [{"number": 1, "shown_as": [project], "tokens": 1, "trained_tokens": 1, "hidden_tokens": 0}]
    texts = {"ids": [1], "texts": [f"secrets-of-{project}"], "trained": "1", "special": "0"}
    report = make(Found(spec, None, {}, ()), [], None, "USD").model_dump(mode="json")
    with transaction() as session:
        asked = preflights.ask(session, spec, project)
        claimed = preflights.claim(session)
        assert claimed is not None
        assert claimed.preflight_id == asked.id
        preview: list[dict[str, Any]] = [{"stage": STAGE, "rows": [{**rows[0], **texts}]}]
        preflights.finish(session, claimed, PreflightStatus.SUCCEEDED, report=report, preview=preview)
        preflights.store_of_job(session, session.query(Job).filter_by(project=project).one().id, spec, report, preview)
        return asked.id


def _run(job_id: str, project: str, folder: Path) -> tuple[str, str, str, str]:
    """Let the job run, measure and deploy; the ids of its model, its base and its deployment, and the alias."""
    model, base, alias = f"ft:tiny:{project}:x:1-chat", f"base:tiny-of-{project}:1", f"alias-of-{project}"
    with transaction() as session:
        lease = runs.claim(session, f"worker-{project}", DEVICE, lease_s=3600)
        assert lease is not None
        assert lease.job_id == job_id
        runs.move(session, lease, JobStatus.TRAINING, stage=STAGE)
        runs.record_progress(session, lease, {"step": 1, "max_steps": 2}, [{**METRIC, "tokens_per_s": 1, "step_s": 1}])
        scores = scores_of(Row(f"secrets-of-{project}", True))
        evaluations.record(session, lease, "base", model, scores)
        add_event(session, job_id, "note", f"secrets-of-{project}")
        place = str(folder.parent / "base")
        model_registry.register_base(session, base, base_model=place, location=place, project=project)
        location = f"models/{job_id}/{STAGE}"
        made: dict[str, Any] = {"stage": STAGE, "base_model": place, "location": location, "manifest": {}}
        model_registry.register_model(
            session, model, **made, project=project, job_id=job_id, base_id=base, adapter_rank=16
        )
        how = DeploySpec(serve_as="adapter")
        deployment = deployments.request(session, alias, model, job_id, how=how, project=project).id
    return model, base, deployment, alias
