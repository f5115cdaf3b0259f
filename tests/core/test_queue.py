"""The doorbell: a message that carries nothing, and whose loss is no error."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from core import queue
from core.settings import get_settings
from tests.conftest import Services, forget_settings


@pytest.fixture
def fresh_settings() -> Iterator[None]:
    """Settings read anew in the test and again after it."""
    forget_settings()
    yield
    forget_settings()


def test_a_ring_is_one_message_without_content(services: Services) -> None:
    broker = redis.Redis.from_url(services.redis_url)
    broker.delete(queue.JOBS)
    assert queue.ring() is True
    [raw] = broker.lrange(queue.JOBS, 0, -1)
    broker.delete(queue.JOBS)
    message = json.loads(raw)
    assert message["headers"]["task"] == queue.CLAIM
    assert message["headers"]["argsrepr"] == "()"


def test_a_broker_that_is_away_is_told_and_no_error(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_settings: None
) -> None:
    monkeypatch.setenv("REDIS_URL", f"unix://{tmp_path}/nowhere.sock")
    assert get_settings().redis_url.startswith("unix://")
    assert queue.ring() is False


def test_a_unix_socket_is_spelled_as_celery_wants_it() -> None:
    assert queue.celery_broker_url("unix:///run/valkey.sock") == "redis+socket:///run/valkey.sock"
    assert queue.celery_broker_url("redis://host:6379/1") == "redis://host:6379/1"
