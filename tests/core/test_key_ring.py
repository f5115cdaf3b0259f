"""The keys in a process's memory: found at once, followed within seconds, kept while Postgres is away."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from core import keys
from core.access import Grant, Scope
from core.db import in_thread, transaction
from core.errors import NotAuthenticated
from core.key_ring import REVOKED_WITHIN_S, KeyRing
from core.models import Key
from core.settings import get_settings
from tests.conftest import ADMIN_KEY, Services

Result = TypeVar("Result")
pytestmark = pytest.mark.usefixtures("database")


class Postgres:
    """That of the tests, which can be away."""

    def __init__(self) -> None:
        self.is_away = False
        self.looks = 0

    async def __call__(self, work: Callable[[Session], Result], /) -> Result:
        self.looks += 1
        if self.is_away:
            raise OperationalError("SELECT", {}, OSError("gone"))
        return await in_thread(work)


def new_key(*scopes: Scope, expires_at: datetime | None = None) -> tuple[str, bytes]:
    """The id, and the header's value."""
    with transaction() as session:
        key, secret = keys.create(session, "one", scopes or (Scope.INFER,), "team-a", expires_at)
        return key.id, f"Bearer {secret}".encode()


def on_ring(act: Callable[[KeyRing], Awaitable[Result]], postgres: Postgres | None = None) -> Result:
    """Do it while the ring follows the table."""

    async def run() -> Result:
        ring = KeyRing(get_settings(), postgres or Postgres())
        following = asyncio.create_task(ring.follow())
        try:
            return await act(ring)
        finally:
            following.cancel()

    return asyncio.run(run())


async def until(holds: Callable[[], bool], within_s: float) -> None:
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def test_a_key_that_was_made_a_moment_ago_opens_at_once() -> None:
    async def act(ring: KeyRing) -> Grant:
        key_id, header = await asyncio.to_thread(new_key, Scope.TRAIN)
        grant = await ring.grant(header)
        assert grant.key_id == key_id
        return grant

    grant = on_ring(act)
    assert (grant.project, grant.scopes) == ("team-a", frozenset({Scope.TRAIN}))
    assert not grant.opens(Scope.INFER)


def test_a_revoked_key_opens_nothing_within_seconds() -> None:
    key_id, header = new_key()

    async def act(ring: KeyRing) -> None:
        await ring.grant(header)
        await in_thread(lambda session: keys.revoke(session, key_id))
        await until(lambda: ring.find(header) is None, REVOKED_WITHIN_S)
        with pytest.raises(NotAuthenticated):
            await ring.grant(header)

    on_ring(act)


def test_an_expired_key_opens_nothing_though_nobody_looks_again() -> None:
    _, header = new_key(expires_at=datetime.now(UTC) + timedelta(seconds=1))
    postgres = Postgres()

    async def act(ring: KeyRing) -> None:
        await ring.grant(header)
        postgres.is_away = True
        await until(lambda: ring.find(header) is None, REVOKED_WITHIN_S)

    on_ring(act, postgres)


def test_the_last_known_keys_hold_while_postgres_is_away() -> None:
    key_id, header = new_key()
    postgres = Postgres()

    async def act(ring: KeyRing) -> None:
        await ring.grant(header)
        postgres.is_away, looks = True, postgres.looks
        await until(lambda: postgres.looks >= looks + 2, 5)  # no look is under way that began before
        await asyncio.to_thread(_revoke, key_id)
        assert ring.find(header) is not None
        with pytest.raises(NotAuthenticated):
            await ring.grant(b"Bearer ts-nobody-knows-this-one")
        postgres.is_away = False
        await until(lambda: ring.find(header) is None, REVOKED_WITHIN_S)

    on_ring(act, postgres)


def test_many_unknown_keys_at_once_are_looked_for_together() -> None:
    postgres = Postgres()

    async def act(ring: KeyRing) -> int:
        await until(lambda: postgres.looks > 0, 5)
        before = postgres.looks
        asked = [ring.grant(b"Bearer ts-unknown-%d" % number) for number in range(100)]
        refusals = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(refusal, NotAuthenticated) for refusal in refusals)
        return postgres.looks - before

    assert on_ring(act, postgres) <= 3


def test_a_key_of_no_known_form_is_not_looked_for() -> None:
    postgres = Postgres()

    async def act() -> None:
        with pytest.raises(NotAuthenticated):
            await KeyRing(get_settings(), postgres).grant(b"Bearer sk-somebody-elses")

    asyncio.run(act())
    assert postgres.looks == 0


def test_when_a_key_was_used_last_is_written_down_once_a_minute() -> None:
    key_id, header = new_key()
    postgres = Postgres()

    async def act(ring: KeyRing) -> None:
        await ring.grant(header)
        await until(lambda: _last_used(key_id) is not None, 5)
        first, looks = _last_used(key_id), postgres.looks
        assert ring.find(header) is not None
        await until(lambda: postgres.looks >= looks + 2, 5)
        assert _last_used(key_id) == first

    on_ring(act, postgres)


def test_the_admin_key_of_the_settings_is_of_all_projects(services: Services) -> None:
    grant = KeyRing(get_settings()).find(f"bearer {ADMIN_KEY}".encode())
    assert grant is not None
    assert grant.project is None
    assert all(map(grant.opens, Scope))


def test_no_secret_is_stored() -> None:
    _, header = new_key()
    secret = header.decode().removeprefix("Bearer ")
    with transaction() as session:
        [row] = session.query(Key).all()
        stored = " ".join(str(getattr(row, column.name)) for column in Key.__table__.columns)
    assert secret not in stored
    assert secret.startswith(row.prefix)
    assert len(row.prefix) < 10


def _revoke(key_id: str) -> None:
    with transaction() as session:
        keys.revoke(session, key_id)


def _last_used(key_id: str) -> datetime | None:
    with transaction() as session:
        return keys.get(session, key_id).last_used_at
