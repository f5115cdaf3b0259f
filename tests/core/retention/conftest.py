"""No file of one test is there for the next."""

import shutil
from collections.abc import Iterator

import pytest

from core import retention
from core.job_files import jobs_root, models_root
from tests.conftest import Services


@pytest.fixture(autouse=True)
def _empty_storage(database: Services) -> Iterator[None]:
    yield
    for folder in (jobs_root(), models_root(), retention.trash()):
        shutil.rmtree(folder, ignore_errors=True)
