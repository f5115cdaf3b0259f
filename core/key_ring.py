"""The keys that open a process's paths, in its memory: asking costs a hash and a look-up, and never Postgres.

It follows the table of keys, so a key that is revoked opens nothing any more after REVOKED_WITHIN_S.  While Postgres is
away the last known keys hold: what is served stays open to those it was open to.
"""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Protocol, TypeVar

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core import keys, projects
from core.access import Grant, Scope
from core.errors import NotAuthenticated
from core.models import Project
from core.projects import DEFAULT, Quotas
from core.rate_limits import RateLimit
from core.settings import Settings

log = logging.getLogger(__name__)
Result = TypeVar("Result")
_SCHEME = b"bearer "
POLL_S = 1.0
REVOKED_WITHIN_S = 3.0
"""A look every second, with room for a slow one.  docs/security.md promises it."""
SEEK_S = 2.0
"""A request with a key that is not known waits so long at most for Postgres to tell."""
USED_WRITTEN_EVERY_S = 60.0


class Transactions(Protocol):
    """Runs a piece of work as one transaction, without holding up the event loop."""

    def __call__(self, work: Callable[[Session], Result], /) -> Awaitable[Result]: ...


class KeyRing:
    """Those of the settings, and those of the table as they were at the last look.

    Keys are found by the hash of what was sent, so how long it takes says nothing about any key.
    """

    def __init__(self, settings: Settings, transactions: Transactions | None = None) -> None:
        self._fixed = {sha256(secret.encode()).digest(): grant for secret, grant in _of_settings(settings).items()}
        self._grants = dict(self._fixed)
        self._transactions = transactions
        self._looks_begun = 0
        self._looking = asyncio.Lock()
        self._used: dict[str, float] = {}
        self._written_s: dict[str, float] = {}
        self._is_away = False
        self._quotas: dict[str, Quotas] = {}

    def quotas(self, project: str) -> Quotas | None:
        """What the project may have, if that is limited; as it was at the last look."""
        return self._quotas.get(project)

    def find(self, authorization: bytes) -> Grant | None:
        """What the value of this Authorization header opens, as far as is known now."""
        if authorization[: len(_SCHEME)].lower() != _SCHEME:
            return None
        grant = self._grants.get(sha256(authorization[len(_SCHEME) :]).digest())
        if grant is None or grant.key_id is None:
            return grant
        now_s = time.time()
        if grant.expires_s <= now_s:
            return None
        self._used[grant.key_id] = now_s
        return grant

    async def grant(self, authorization: bytes) -> Grant:
        """What it opens; NotAuthenticated when that is nothing.  A key may have been made a moment ago."""
        return self.find(authorization) or await self._seek(authorization)

    async def follow(self) -> None:
        """Look every POLL_S, until cancelled."""
        while True:
            try:
                async with self._looking:
                    await self._look()
                self._is_away = False
            except (SQLAlchemyError, OSError) as error:
                if not self._is_away:
                    log.warning("keys.database_away the last known keys hold: %s", error)
                self._is_away = True
            await asyncio.sleep(POLL_S)

    async def _seek(self, authorization: bytes) -> Grant:
        sent = authorization[len(_SCHEME) :]
        if self._transactions is not None and sent.startswith(keys.BEGINS_WITH.encode()):
            await self._look_again()
        grant = self.find(authorization)
        if grant is None:
            raise NotAuthenticated(
                "wrong, revoked or missing key: send `Authorization: Bearer KEY` with TUNESMITH_ADMIN_KEY, one of "
                "TUNESMITH_INFERENCE_KEYS, or a key that POST /keys made"
            )
        return grant

    async def _look_again(self) -> None:
        """Look once for all who wait: a look that began before they came may have missed their key."""
        begun = self._looks_begun
        try:
            async with asyncio.timeout(SEEK_S), self._looking:
                if self._looks_begun == begun:
                    await self._look()
        except (SQLAlchemyError, OSError) as error:
            log.info("keys.not_sought %s", error)

    async def _look(self) -> None:
        assert self._transactions is not None
        self._looks_begun += 1
        now_s = time.monotonic()
        due = {
            one: at
            for one, at in self._used.items()
            if now_s >= self._written_s.get(one, -math.inf) + USED_WRITTEN_EVERY_S
        }

        def look(session: Session) -> tuple[dict[bytes, Grant], list[Project]]:
            # Projects before keys, as everybody takes these tables: the other way round two could wait for each other.
            known, stored = projects.every(session), keys.open_grants(session)
            keys.mark_used(session, {one: datetime.fromtimestamp(at, UTC) for one, at in due.items()})
            return stored, known

        stored, known = await self._transactions(look)
        self._quotas = {one.name: quotas for one in known if (quotas := projects.quotas_of(one)) is not None}
        rates = {one.name: rate for one in known if (rate := keys.rate_of(one)) is not None}
        limited = {digest: _within(grant, rates) for digest, grant in self._fixed.items()}
        self._grants = limited | stored
        for key_id, at in due.items():
            self._written_s[key_id] = now_s
            if self._used[key_id] == at:
                del self._used[key_id]


def _within(grant: Grant, rates: Mapping[str, RateLimit]) -> Grant:
    """A key of the settings, which has no limit but its project's."""
    rate = rates.get(grant.project or "")
    return grant if rate is None else replace(grant, limits=(rate,))


def _of_settings(settings: Settings) -> dict[str, Grant]:
    infer = Grant("TUNESMITH_INFERENCE_KEYS", frozenset({Scope.INFER}), DEFAULT)
    admin = Grant("TUNESMITH_ADMIN_KEY", frozenset({Scope.ADMIN}))
    return {**dict.fromkeys(settings.further_inference_keys(), infer), settings.require_admin_key(): admin}
