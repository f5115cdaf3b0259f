"""Brings what vLLM serves to what the deployments ask for, one at a time, and keeps it there.

The rows say what is wanted; this loop alone changes what is served.  A gateway that starts again, or a vLLM that died,
comes back to the newest live deployment while requests wait at the gate.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core import deployments, storage
from core.db import transaction
from core.errors import Conflict, ServiceError
from core.models import Deployment, Model
from core.settings import Settings
from core.states import DeploymentStatus
from inference.endpoint import Endpoint
from inference.names import Served
from inference.rollout import Rollout, Withdrawn

log = logging.getLogger(__name__)
POLL_S = 0.3
LONGEST_BACKOFF_S = 30.0
Result = TypeVar("Result")


class Reconciler:
    """The loop; `run` ends only when it is cancelled."""

    def __init__(self, endpoint: Endpoint, settings: Settings) -> None:
        self._endpoint = endpoint
        self._settings = settings
        self._wanted: Served | None = None
        self._retry_at_s = 0.0
        self._backoff_s = 1.0
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Look again at once: vLLM died."""
        if self._endpoint.served is not None:
            self._endpoint.gate.close("vLLM ended unexpectedly and is being started again")
        self._woken.set()

    async def run(self) -> None:
        """Take up what a former gateway left, then follow the deployments."""
        recovered = False
        while True:
            self._woken.clear()
            try:
                if not recovered:
                    await self._recover()
                    recovered = True
                await self._step()
            except SQLAlchemyError as error:
                log.error("reconciler.database_failed error=%s", error)
            except Exception:
                # The loop is this process's purpose: it must outlive whatever one step runs into.
                log.exception("reconciler.step_failed")
            await self._pause()

    async def _pause(self) -> None:
        try:
            await asyncio.wait_for(self._woken.wait(), POLL_S)
        except TimeoutError:
            return

    async def _recover(self) -> None:
        await _in_database(deployments.reopen)
        self._wanted = await _in_database(live_model)
        if self._wanted is None:
            self._endpoint.gate.open()
            self._endpoint.served = None

    async def _step(self) -> None:
        wanted, now = self._wanted, time.monotonic()
        if wanted is not None and not self._endpoint.engine.running and now >= self._retry_at_s:
            await self._revive(wanted)
        work = await _in_database(deployments.next_open)
        if work is not None:
            await self._carry_out(*work)

    async def _revive(self, wanted: Served) -> None:
        """Start vLLM on the model that is live; wait longer after each failure."""
        gate = self._endpoint.gate
        gate.close(gate.closed_for or "the live model is being loaded")
        try:
            await self._rollout().start(wanted)
        except ServiceError as error:
            log.error("engine.revival_failed model=%s retry_in_s=%g error=%s", wanted.model_id, self._backoff_s, error)
            self._retry_at_s = time.monotonic() + self._backoff_s
            self._backoff_s = min(self._backoff_s * 2, LONGEST_BACKOFF_S)
            return
        self._backoff_s = 1.0
        gate.open()
        log.info("engine.serving model=%s", wanted.model_id)

    async def _carry_out(self, deployment: Deployment, model: Model) -> None:
        """One deployment, from pending to live, failed or withdrawn; what was served stays served unless it is live."""
        new = served_by(deployment, model)
        rollout = self._rollout(deployment.id)
        log.info("deployment.started deployment_id=%s model=%s", deployment.id, model.id)
        failure: str | None = None
        try:
            await _in_database(lambda s: deployments.advance(s, deployment.id, DeploymentStatus.STAGING))
            await rollout.carry_out(self._wanted, new)
        except Withdrawn as reason:
            log.info("deployment.withdrawn deployment_id=%s: %s", deployment.id, reason)
            return
        except ServiceError as error:
            failure = error.message
        except Exception as error:
            log.exception("deployment.crashed deployment_id=%s", deployment.id)
            failure = f"{type(error).__name__}: {error} (the gateway's log has the traceback)"
        self._wanted = self._endpoint.served or self._wanted
        await self._record(deployment, rollout, failure)

    async def _record(self, deployment: Deployment, rollout: Rollout, failure: str | None) -> None:
        target = DeploymentStatus.LIVE if failure is None else DeploymentStatus.FAILED

        def write(session: Session) -> None:
            deployments.advance(
                session,
                deployment.id,
                target,
                strategy=rollout.strategy,
                timings=dict(rollout.timings),
                error=failure,
            )

        while True:
            try:
                await _in_database(write)
            except SQLAlchemyError as error:
                # The model is in place already: the row must follow, however long the database is away.
                log.error("deployment.record_failed deployment_id=%s error=%s", deployment.id, error)
                await asyncio.sleep(1)
            else:
                log.info("deployment.%s deployment_id=%s %s %s", target, deployment.id, rollout.timings, failure or "")
                return

    def _rollout(self, deployment_id: str | None = None) -> Rollout:
        async def swapping() -> None:
            if deployment_id is None:
                return
            try:
                await _in_database(lambda s: deployments.advance(s, deployment_id, DeploymentStatus.SWAPPING))
            except Conflict as error:
                raise Withdrawn(error.message) from error

        async def roots() -> set[Path]:
            return {self._settings.storage_path, *await _in_database(outside_models)}

        return Rollout(self._endpoint, self._settings.drain_timeout_s, roots, swapping)


def live_model(session: Session) -> Served | None:
    """The newest live deployment's model, with every alias that points at it."""
    live = deployments.live(session)
    if not live:
        return None
    newest, model = live[0]
    aliases = frozenset(deployment.alias for deployment, _ in live if deployment.model_id == model.id)
    return Served(model.id, storage.resolve(model.location), aliases, _unix_s(newest))


def outside_models(session: Session) -> set[Path]:
    """The folders of registered models that lie outside of the storage folder: base models, mostly."""
    return {Path(location) for location in session.scalars(select(Model.location)) if Path(location).is_absolute()}


def served_by(deployment: Deployment, model: Model) -> Served:
    """What is served once the deployment is live."""
    return Served(model.id, storage.resolve(model.location), frozenset({deployment.alias}), _unix_s(deployment))


def _unix_s(deployment: Deployment) -> int:
    return int((deployment.live_at or deployment.created_at).timestamp())


async def _in_database(work: Callable[[Session], Result]) -> Result:
    """Run one transaction in a thread, so that the traffic flows on."""

    def run() -> Result:
        with transaction() as session:
            return work(session)

    return await asyncio.to_thread(run)
