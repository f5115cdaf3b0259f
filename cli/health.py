"""Asking each process whether it works."""

import socket

import httpx
import redis
from celery import Celery
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from core.db import new_engine
from core.errors import ConfigurationError
from core.queue import celery_broker_url


def http_is_healthy(url: str) -> bool:
    """Whether `GET url` answers 200."""
    try:
        return httpx.get(url, timeout=2, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def endpoint_state(gateway_url: str, key: str) -> str | None:
    """What the gateway's vLLM does, in words; None while the gateway does not answer."""
    headers = {"authorization": f"Bearer {key}"}
    try:
        state = httpx.get(f"{gateway_url}/health", headers=headers, timeout=2, trust_env=False).json()
    except (httpx.HTTPError, ValueError):
        return None
    match state:
        case {"engine": "idle"}:
            return "idle: nothing is deployed yet"
        case {"engine": "serving", "model": model}:
            return f"serving {model}"
        case {"engine": engine}:
            return str(engine)
    return None


class CeleryNode:
    """One Celery worker on this machine, asked over the broker."""

    def __init__(self, name: str, redis_url: str) -> None:
        self.node = f"{name}@{socket.gethostname()}"
        self._redis_url = redis_url

    def answers(self) -> bool:
        """Whether the worker answers a ping; waits up to a second."""
        with Celery(broker=celery_broker_url(self._redis_url), backend=None, set_as_current=False) as app:
            return bool(app.control.ping(destination=[self.node], timeout=1, limit=1))


def check_database(url: str) -> None:
    """ConfigurationError unless the user's Postgres answers."""
    engine = new_engine(url)
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        shown = engine.url.render_as_string(hide_password=True)
        reason = str(getattr(error, "orig", None) or error).strip()
        raise ConfigurationError(f"DATABASE_URL: {shown} does not answer: {reason}") from None
    finally:
        engine.dispose()


def check_redis(url: str) -> None:
    """ConfigurationError unless the user's Redis answers."""
    try:
        with redis.Redis.from_url(url, socket_timeout=5) as client:
            client.ping()
    except (redis.RedisError, ValueError) as error:
        raise ConfigurationError(f"REDIS_URL does not answer: {error}") from None
