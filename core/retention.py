"""What may go from the disk, and when: the `keep` rules of a job's spec, applied by a sweep, and wishes to delete.

Never touched: a job that is not final, what a failed or cancelled one needs for a retry (until its `days` are over),
and a model that is deployed, about to be, next in line for a rollback, or the base of a job that may yet train on it.

Removing takes three steps, and the next sweep finishes what an interrupted one began.  (1) One transaction marks the
models' rows, under locks that a request to deploy waits for: only one of the two can win.  (2) Another one locks the
job, so that no retry begins meanwhile, and renames what goes into the trash; it writes no row, so there is nothing
that a failed commit could leave half true.  (3) The trash is emptied, outside of any transaction.
"""

import logging
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path

from sqlalchemy import Float, Text, func, literal_column, or_, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core import aliases, disk, job_files, row_cache
from core.db import transaction
from core.errors import Conflict
from core.events import add_event
from core.model_registry import no_model
from core.models import Deployment, Job, Model
from core.settings import get_settings
from core.spec import KeepSpec
from core.states import FINAL, OPEN, DeploymentStatus, JobStatus
from core.storage import resolve

log = logging.getLogger(__name__)
_BATCH = 500
# Spelled as in their index, which holds few rows: most jobs succeed, or name a base of the hub.
_BASE_MODEL = literal_column("(jobs.spec ->> 'base_model')", Text)
_HAS_LOCAL_BASE = text(r"jobs.status <> 'succeeded' AND (jobs.spec ->> 'base_model') ~ '^\.{0,2}/'")


@dataclass(frozen=True)
class Finished:
    """A final job as the rules see it."""

    job_id: str
    keep: KeepSpec
    age: timedelta
    succeeded: bool
    last_stage: str

    @property
    def is_over(self) -> bool:
        """Whether nothing of the job has to be kept any longer."""
        return self.keep.days is not None and self.age >= timedelta(days=self.keep.days)

    @property
    def has_rules(self) -> bool:
        """Whether more than checkpoints can go."""
        return self.is_over or (self.succeeded and (self.keep.merged == "last" or not self.keep.adapters))


def trash() -> Path:
    """Where things are renamed to before they are deleted; on the disk of the storage."""
    return get_settings().storage_path / "trash"


def prune_checkpoints(stage_dir: Path, keep: int) -> list[Path]:
    """Discard an ended stage's checkpoints but for the newest whole ones, and return where they are now."""
    if not job_files.has_ended(stage_dir):
        return []
    discarded = [disk.discard(checkpoint, trash()) for checkpoint in job_files.checkpoints(stage_dir)[keep:]]
    return [path for path in discarded if path is not None]


def stage_ended(stage_dir: Path, keep: KeepSpec) -> None:
    """Remove what a stage leaves over.  A disk that refuses must not fail a job that has got so far."""
    try:
        disk.delete(prune_checkpoints(stage_dir, keep.checkpoints))
    except OSError as error:
        log.warning("checkpoints.not_removed stage_dir=%s: %s", stage_dir, error)


def sweep() -> None:
    """Apply the rules to every job that has something on disk."""
    row_cache.sweep(trash())
    disk.delete(disk.entries(trash()))
    for job_ids in _batches(job_files.job_ids()):
        with transaction() as session:
            finished = _finished(session, job_ids)
        for job in finished:
            try:
                apply(job)
            except (OSError, SQLAlchemyError) as error:
                log.warning("retention.failed job_id=%s: %s", job.job_id, error)
        disk.delete(disk.entries(trash()))


def apply(job: Finished) -> None:
    """Apply the job's rules, as far as they hold when each transaction looks at it."""
    for stage_dir in job_files.stage_dirs(job.job_id):
        prune_checkpoints(stage_dir, job.keep.checkpoints)
    if job.has_rules:
        with transaction() as session:
            mark(session, job.job_id)
        with transaction() as session:
            collect(session, job.job_id)


def mark(session: Session, job_id: str) -> list[str]:
    """Mark the models that the rules let go as removed, and return their ids.

    Of a job that can be retried all go or none: a retry would find its stages done, but not their models.
    """
    job = _locked(session, job_id)
    if job is None:
        return []
    models = session.scalars(select(Model).where(Model.job_id == job_id, Model.removed_at.is_(None)).order_by(Model.id))
    going = [m for m in models if job.is_over or (job.keep.merged == "last" and m.stage != job.last_stage)]
    going = going if job.is_over or job.succeeded else []
    free = {model.id: rows for model in going if (rows := _free(session, model)) is not None}
    if not job.succeeded and len(free) < len(going):
        return []
    for model in going:
        for row in free.get(model.id, []):
            row.removed_at = func.now()
        if model.id in free:
            rule = f"keep.days is {job.keep.days}" if job.is_over else "keep.merged is 'last'"
            add_event(session, job_id, "model.removed", f"{model.id} was removed: {rule}")
    session.flush()
    return list(free)


def remove(session: Session, model_id: str) -> str:
    """Mark a tuned model as removed because somebody wishes it so, and return its job, for `collect_now`.

    Conflict where a sweep would keep it whatever the rules say.
    """
    model = session.get(Model, model_id)
    if model is None or model.removed_at is not None:
        raise no_model(model_id)
    if model.job_id is None or (path := _own_folder(model)) is None:
        raise Conflict(
            f"model {model_id!r} is a base model, whose folder is not ours to remove: leave it", param="model"
        )
    job = _locked(session, model.job_id)
    if job is None or not job.succeeded:
        state = "has not ended" if job is None else "can be tried again, and goes on from this model"
        raise Conflict(f"model {model_id!r} is of job {model.job_id}, which {state}: it stays", param="model")
    rows = _rows_in(session, model, path)
    if _in_use(session, [row.id for row in rows]):
        raise Conflict(
            f"model {model_id!r} is live, about to be, or what a rollback brings back: deploy other models in its "
            "place first (GET /aliases shows what each name serves)",
            param="model",
        )
    if _is_base(session, path):
        raise Conflict(f"model {model_id!r} is what a job trains on that may yet run: wait for it", param="model")
    for row in rows:
        row.removed_at = func.now()
    add_event(session, job.job_id, "model.removed", f"{model_id} was removed: it was deleted by a request")
    return job.job_id


def collect_now(job_id: str) -> None:
    """Remove the files of the job's models that are marked, without waiting for a sweep."""
    with transaction() as session:
        collect(session, job_id)
    disk.delete(disk.entries(trash()))


def collect(session: Session, job_id: str) -> None:
    """Rename into the trash what the rules and the marks let go.

    The job's folder goes before its models: if this stops in between, a retry trains again instead of taking for
    done what has no model.
    """
    job = _locked(session, job_id)
    if job is None:
        return
    models = list(session.scalars(select(Model).where(Model.job_id == job_id)))
    removed = [model for model in models if model.removed_at is not None]
    folder = job_files.jobs_root() / job_id
    if job.is_over and (job.succeeded or len(removed) == len(models)):
        disk.discard(folder, trash())
    elif job.succeeded and not job.keep.adapters:
        for adapter in job_files.adapters(job_id):
            disk.discard(adapter, trash())
    if job.succeeded or not folder.exists():
        for model in removed:
            if (path := _own_folder(model)) is not None:
                disk.discard(path, trash())
    with suppress(OSError):  # there is more in it, or nothing at all
        (job_files.models_root() / job_id).rmdir()


def _locked(session: Session, job_id: str) -> Finished | None:
    """The job, locked against a retry; None when it is not final.  Deployments that name the job need not wait."""
    session.execute(select(Job.id).where(Job.id == job_id).with_for_update(key_share=True))
    return next(iter(_finished(session, [job_id])), None)


def _finished(session: Session, job_ids: Iterable[str]) -> list[Finished]:
    query = select(Job.id, Job.status, Job.spec["keep"], Job.spec["stages"], func.now() - Job.finished_at)
    query = query.where(Job.id.in_(list(job_ids)), Job.status.in_(FINAL), Job.finished_at.is_not(None))
    return [
        Finished(job_id, KeepSpec.model_validate(keep or {}), age, status == JobStatus.SUCCEEDED, stages[-1]["name"])
        for job_id, status, keep, stages, age in session.execute(query)
    ]


def _free(session: Session, model: Model) -> list[Model] | None:
    """The locked rows of all models in this model's folder when none of them is needed; None otherwise.

    Another row than its own names the folder when it was the base model of another job.
    """
    path = _own_folder(model)
    if path is None:
        return None
    rows = _rows_in(session, model, path)
    # A new statement sees what was committed while the locks were waited for.
    if _in_use(session, [row.id for row in rows]) or _is_base(session, path):
        return None
    return rows


def _rows_in(session: Session, model: Model, path: Path) -> list[Model]:
    """The locked rows of all models in the folder of this one."""
    names = {model.location, str(path), str(path.resolve())}
    query = select(Model).where(Model.location.in_(names), Model.removed_at.is_(None)).order_by(Model.id)
    return list(session.scalars(query.with_for_update(), execution_options={"populate_existing": True}))


def _in_use(session: Session, model_ids: list[str]) -> bool:
    """Whether one of the models, or its weights, is deployed, about to be, or what an alias served last or before."""
    mine = or_(Deployment.model_id.in_(model_ids), Deployment.weights_id.in_(model_ids))
    wanted = select(Deployment.id).where(mine, Deployment.status.in_((*OPEN, DeploymentStatus.LIVE))).limit(1)
    if session.scalar(wanted) is not None:
        return True
    served = select(Deployment.alias).where(mine, Deployment.live_at.is_not(None)).distinct()
    return any(aliases.models_of(session, alias) & set(model_ids) for alias in session.scalars(served).all())


def _is_base(session: Session, folder: Path) -> bool:
    """Whether a job trains on the model in this folder: one that is not final, or that may still be retried."""
    days = Job.spec["keep"]["days"].astext.cast(Float)
    is_kept = or_(days.is_(None), Job.finished_at > func.now() - days * timedelta(days=1))
    query = select(_BASE_MODEL).where(_HAS_LOCAL_BASE, or_(Job.status.not_in(FINAL), is_kept)).distinct()
    return any(Path(name).resolve() == folder.resolve() for name in session.scalars(query))


def _own_folder(model: Model) -> Path | None:
    """The folder of a merged model that a job made; None for any other, whose folder is not ours to remove."""
    if model.job_id is None:
        return None
    path = resolve(model.location)
    return path if path.parent == job_files.models_root() / model.job_id else None


def _batches(names: Iterator[str]) -> Iterator[list[str]]:
    while batch := list(islice(names, _BATCH)):
        yield batch
