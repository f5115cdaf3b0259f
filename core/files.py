"""Uploaded files as clients see them: adding, finding, listing, deleting; and which jobs read them.

A Session is a transaction that the caller commits.  A job can be made, or tried again, only while every file that it
reads is there: it locks their rows, and so does whoever deletes one (`core.jobs.INSERT_JOB`).
"""

from dataclasses import asdict, dataclass

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import projects
from core.errors import Conflict, FileNotThere, InvalidRequest, NotFound
from core.idempotency import check_body
from core.models import File, Job, JobInput
from core.spec import JobSpec
from core.states import FINAL

_CONTENT = 2
"""Sets the advisory locks of contents apart from those of other things."""
_JOBS_NAMED = 3
RESULTS = "fine-tune-results"
"""The purpose of a file that a job made."""


@dataclass(frozen=True)
class NewFile:
    """A file that was received and checked, and is about to be stored."""

    id: str
    project: str
    purpose: str
    filename: str
    size_bytes: int
    sha256: str
    format: str
    rows: int
    trainable_rows: int
    idempotency_key: str | None
    body_sha256: str


@dataclass(frozen=True)
class Added:
    """A file's row, and what remains to be done for it: nothing, unless the row is new."""

    file: File
    is_new: bool
    twin: str | None = None
    """Another file of the project with the same content, whose bytes it can share."""


def add(session: Session, new: NewFile) -> Added:
    """Insert the row, or return the one that the same idempotency key and upload made, were it just now.

    Until the caller commits, other uploads of the same content to the project wait: they will find this one.
    """
    projects.ensure(session, new.project)
    content = func.hashtextextended(f"{new.project}/{new.sha256}", _CONTENT)
    session.execute(select(func.pg_advisory_xact_lock(content)))
    same = select(File.id).where(File.project == new.project, File.sha256 == new.sha256, File.deleted_at.is_(None))
    twin = session.scalar(same.order_by(File.seq.desc()).limit(1))
    query = insert(File).values(**asdict(new)).on_conflict_do_nothing().returning(File)
    row = session.scalars(query).one_or_none()
    if row is not None:
        return Added(row, is_new=True, twin=twin)
    assert new.idempotency_key is not None, "only an idempotency key can conflict"
    return Added(_replay(session, new.idempotency_key, new), is_new=False)


def _replay(session: Session, key: str, new: NewFile) -> File:
    first = session.scalars(select(File).where(File.project == new.project, File.idempotency_key == key)).one()
    check_body(key, new.body_sha256, first.body_sha256, f"file {first.id}")
    if first.deleted_at is not None:
        raise Conflict(f"Idempotency-Key {key!r} made file {first.id}, which was deleted since: use a new key")
    return first


def get(session: Session, file_id: str) -> File:
    """The file, or FileNotThere."""
    return _there(session.get(File, file_id), file_id, "file_id")


def of_spec(session: Session, spec: JobSpec) -> dict[str, File]:
    """The files that a job reads, by id, as far as they are there."""
    if not spec.file_ids:
        return {}
    found = session.scalars(select(File).where(File.id.in_(spec.file_ids), File.deleted_at.is_(None)))
    return {file.id: file for file in found}


def size_bytes(session: Session) -> int:
    """What the files take up that the session sees, equal ones of a project once."""
    each = select(File.size_bytes).where(File.deleted_at.is_(None)).distinct(File.project, File.sha256).subquery()
    return int(session.scalar(select(func.coalesce(func.sum(each.c.size_bytes), 0))) or 0)


def missing(file_ids: list[str], param: str) -> FileNotThere:
    """What to say of ids that no file has."""
    named = ", ".join(repr(file_id) for file_id in file_ids)
    return FileNotThere(
        f"{param}: there is no file {named}, or it was deleted; GET /files lists those there are", param=param
    )


def check_is_data(file: File, param: str) -> None:
    """InvalidRequest for the results of a job, which are no rows to train on."""
    if file.purpose == RESULTS:
        raise InvalidRequest(
            f"{param} is {file.id}, the results of job {file.job_id}: name a file that was uploaded", param=param
        )


def add_results(session: Session, new: NewFile, job_id: str) -> None:
    """Insert the row of the file that holds the job's results."""
    session.add(File(**asdict(new), job_id=job_id))


def results_of(session: Session, job_ids: list[str]) -> dict[str, list[str]]:
    """The ids of the jobs' result files, by job."""
    found: dict[str, list[str]] = {}
    query = select(File.job_id, File.id).where(File.job_id.in_(job_ids), File.deleted_at.is_(None)).order_by(File.seq)
    for job_id, file_id in session.execute(query):
        found.setdefault(str(job_id), []).append(file_id)
    return found


def page(
    session: Session, *, after: str | None, limit: int, purpose: str | None, oldest_first: bool = False
) -> list[File]:
    """Up to `limit + 1` files, newest first, starting behind file `after`, which may have been deleted meanwhile."""
    order = File.seq.asc() if oldest_first else File.seq.desc()
    query = select(File).where(File.deleted_at.is_(None)).order_by(order).limit(limit + 1)
    if after is not None:
        last = session.get(File, after)
        if last is None:
            raise NotFound(f"after is {after!r}: there is no file of that id", param="after")
        query = query.where(File.seq > last.seq if oldest_first else File.seq < last.seq)
    if purpose is not None:
        query = query.where(File.purpose == purpose)
    return list(session.scalars(query))


def delete(session: Session, file_id: str) -> None:
    """Mark the file as deleted, so that its bytes can be removed; Conflict while a job that has not ended reads it."""
    file = _there(session.get(File, file_id, with_for_update=True, populate_existing=True), file_id, "file_id")
    # A new statement sees the jobs that were committed while the lock was waited for.
    readers = select(Job.id, Job.status).join(JobInput, JobInput.job_id == Job.id)
    readers = readers.where(JobInput.file_id == file_id, Job.status.not_in(FINAL)).order_by(Job.seq)
    found = session.execute(readers.limit(_JOBS_NAMED + 1)).all()
    if found:
        named = ", ".join(f"{job_id} ({status})" for job_id, status in found[:_JOBS_NAMED])
        more = " and others" if len(found) > _JOBS_NAMED else ""
        raise Conflict(
            f"file {file_id} is read by {named}{more}: wait until they have ended, or cancel them", param="file_id"
        )
    file.deleted_at = func.now()


def there(session: Session, file_ids: list[str]) -> set[str]:
    """Which of the ids are those of files that are there."""
    return set(session.scalars(select(File.id).where(File.id.in_(file_ids), File.deleted_at.is_(None))))


def check_inputs(session: Session, job_id: str) -> None:
    """Conflict when a file that the job reads was deleted; those that are there stay until the caller commits."""
    query = select(File).join(JobInput, JobInput.file_id == File.id).where(JobInput.job_id == job_id)
    inputs = session.scalars(query.order_by(File.id).with_for_update(key_share=True, read=True, of=File))
    gone = [file.id for file in inputs if file.deleted_at is not None]
    if gone:
        raise Conflict(
            f"job {job_id} reads {', '.join(gone)}, deleted since: it cannot be tried again; upload the data again and "
            "post a new job"
        )


def _there(file: File | None, file_id: str, param: str) -> File:
    if file is None:
        raise FileNotThere(f"no file {file_id!r}: GET /files lists those there are", param=param)
    if file.deleted_at is not None:
        raise FileNotThere(f"file {file_id!r} was deleted: upload it again", param=param)
    return file
