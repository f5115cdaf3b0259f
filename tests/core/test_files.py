"""The rows of uploaded files, where two transactions meet."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from core import files, jobs, projects
from core.db import engine, transaction
from core.errors import Conflict, FileNotThere
from core.files import Added, NewFile
from core.ids import new_id
from core.models import File, Job
from core.projects import DEFAULT
from core.spec import JobSpec
from core.states import JobStatus
from tests.conftest import Services
from tests.waiting import wait_until


@pytest.fixture(autouse=True)
def _project(database: Services) -> None:
    with transaction() as session:
        projects.ensure(session, DEFAULT)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def new_file(sha256: str = "a", key: str | None = None) -> NewFile:
    return NewFile(new_id("file"), DEFAULT, "evals", "rows.jsonl", 4, sha256, "openai", 1, 1, key, "body")


def add(new: NewFile) -> Added:
    with transaction() as session:
        return files.add(session, new)


def delete(file_id: str) -> None:
    with transaction() as session:
        files.delete(session, file_id)


def new_job(file_id: str) -> str:
    spec = JobSpec.model_validate({"base_model": "a/b", "stages": [{"name": "a", "data": {"source": file_id}}]})
    with transaction() as session:
        return jobs.create(session, spec, {"stages": [], "total_steps": None}).id


def somebody_waits() -> bool:
    with engine().connect() as connection:
        return bool(connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))


def test_an_upload_waits_for_one_of_the_same_content_and_shares_its_bytes(pool: ThreadPoolExecutor) -> None:
    first, other, second = new_file(), new_file("b"), new_file()
    with transaction() as session:
        files.add(session, first)
        assert add(other).twin is None, "other contents do not wait"
        adding = pool.submit(add, second)
        wait_until(somebody_waits)
    assert adding.result().twin == first.id


def test_an_upload_waits_for_one_with_the_same_key_and_gets_its_file(pool: ThreadPoolExecutor) -> None:
    first, second = new_file(key="k"), new_file("b", key="k")
    with transaction() as session:
        files.add(session, first)
        adding = pool.submit(add, second)
        wait_until(somebody_waits)
    assert (adding.result().file.id, adding.result().is_new) == (first.id, False)


def test_a_job_waits_for_the_deletion_of_its_file_and_is_not_made(pool: ThreadPoolExecutor) -> None:
    file_id = add(new_file()).file.id
    with transaction() as session:
        files.delete(session, file_id)
        making = pool.submit(new_job, file_id)
        wait_until(somebody_waits)
    with pytest.raises(FileNotThere, match=file_id):
        making.result()
    with transaction() as session:
        assert session.query(Job).count() == 0


def test_a_deletion_waits_for_the_job_that_reads_the_file_and_is_refused(pool: ThreadPoolExecutor) -> None:
    file_id = add(new_file()).file.id
    spec = JobSpec.model_validate({"base_model": "a/b", "stages": [{"name": "a", "data": {"source": file_id}}]})
    with transaction() as session:
        jobs.create(session, spec, {"stages": [], "total_steps": None})
        deleting = pool.submit(delete, file_id)
        wait_until(somebody_waits)
    with pytest.raises(Conflict, match="read by ftjob-"):
        deleting.result()


def test_a_deletion_waits_for_the_retry_of_a_job_that_reads_the_file(pool: ThreadPoolExecutor) -> None:
    file_id = add(new_file()).file.id
    job_id = new_job(file_id)
    with transaction() as session:
        jobs.cancel(session, job_id)
    with transaction() as session:
        jobs.retry(session, job_id)
        deleting = pool.submit(delete, file_id)
        wait_until(somebody_waits)
    with pytest.raises(Conflict, match="queued"):
        deleting.result()


def test_a_retry_waits_for_the_deletion_of_its_file_and_is_refused(pool: ThreadPoolExecutor) -> None:
    file_id = add(new_file()).file.id
    job_id = new_job(file_id)

    def retry() -> None:
        with transaction() as session:
            jobs.retry(session, job_id)

    with transaction() as session:
        jobs.cancel(session, job_id)
    with transaction() as session:
        files.delete(session, file_id)
        retrying = pool.submit(retry)
        wait_until(somebody_waits)
    with pytest.raises(Conflict, match=f"reads {file_id}, deleted since"):
        retrying.result()
    with transaction() as session:
        assert session.get_one(Job, job_id).status == JobStatus.CANCELLED
        assert session.get_one(File, file_id).deleted_at is not None
