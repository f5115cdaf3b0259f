"""A job that must be refused, and the check that nothing is left of it."""

from typing import Any

import httpx
import redis
from sqlalchemy import func, select

from core.db import transaction
from core.models import Event, Job
from core.queue import JOBS
from tests.conftest import Services


class Refusal:
    """Posts bodies and checks that they are refused whole."""

    def __init__(self, client: httpx.Client, services: Services) -> None:
        self.client = client
        self.broker = redis.Redis.from_url(services.redis_url)
        self.broker.delete(JOBS)
        self.storage = services.storage_path
        # Tests of other files may have left some there.
        self.stored_before = set(self.storage.rglob("*"))

    def of(self, body: Any, status: int = 422) -> dict[str, Any]:
        """The error of the answer."""
        answer = self.client.post("/jobs", json=body)
        assert answer.status_code == status, answer.text
        error = answer.json()["error"]
        assert set(error) - {"problems"} == {"message", "type", "param", "code"}
        self.left_nothing()
        return dict(error)

    def left_nothing(self) -> None:
        with transaction() as session:
            for table in (Job, Event):
                assert session.scalar(select(func.count()).select_from(table)) == 0
        assert self.broker.llen(JOBS) == 0
        assert set(self.storage.rglob("*")) == self.stored_before
