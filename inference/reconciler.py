"""Brings what is served to what the deployments ask for, one at a time, and keeps it there.

The rows say what is wanted; this loop alone changes what is served.  A gateway that starts again, or a vLLM that died,
comes back to the live deployments while requests wait at the gate.
"""

import asyncio
import logging
import time
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core import deployments, model_registry
from core.candidates import is_accepted
from core.db import in_thread
from core.errors import Conflict, ServiceError
from core.models import Model
from core.settings import Settings
from core.states import DeploymentStatus
from inference.backend import Backend
from inference.fleet import Fleet
from inference.metrics import Metrics
from inference.rollout import NoRoom, Rollout, Withdrawn
from inference.routes import Routes
from inference.sharing import Sharing
from inference.trial import Trial, Verdict
from inference.version import Wish, live_versions, wish_of

log = logging.getLogger(__name__)
POLL_S = 0.3
TRIAL_SHOWN_EVERY_S = 1.0
LONGEST_BACKOFF_S = 30.0
D = DeploymentStatus


class Reconciler:
    """The loop; `run` ends only when it is cancelled."""

    def __init__(self, routes: Routes, settings: Settings, metrics: Metrics) -> None:
        self.fleet = Fleet(settings, routes, self._roots, self._died)
        self._settings = settings
        self._metrics = metrics
        self._sharing = Sharing(self.fleet, settings)
        self._with_guest: tuple[Wish, Rollout] | None = None
        self._trial_shown_at_s = 0.0
        self._tried: set[str] = set()
        self._dead: set[Backend] = set()
        self._retry_at_s = 0.0
        self._backoff_s = 1.0
        self._woken = asyncio.Event()

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
            await self._rest()

    async def _rest(self) -> None:
        try:
            await asyncio.wait_for(self._woken.wait(), POLL_S)
        except TimeoutError:
            return

    async def _recover(self) -> None:
        await in_thread(deployments.reopen)
        try:
            self.fleet.live = await in_thread(live_versions)
        except ServiceError:
            self.fleet.routes.hold("what is live cannot be loaded: the log of the gateway says why")
            raise
        if self.fleet.live:
            self.fleet.routes.hold("the live model is being loaded")
        else:
            self.fleet.publish()

    async def _step(self) -> None:
        if self._with_guest is not None:
            await self._follow_guest(*self._with_guest)
        elif self.fleet.live:
            await self._drop_what_was_taken_down()
        self._dead.clear()
        was_paused = self._sharing.paused
        if self._with_guest is None:
            await self._sharing.follow()
        if self._sharing.paused:
            return
        wish = await self._next() if self._with_guest is None else None
        # After a training the new model is what vLLM starts with, or wakes with: nobody needs the old one meanwhile.
        if wish is None or not (was_paused and wish.is_simple):
            await self._bring_back()
        if wish is not None:
            await self._carry_out(wish)

    async def _bring_back(self) -> None:
        """Serve what is live, if it is not served: vLLM sleeps, died, or has never run."""
        main = self.fleet.main
        if main is not None and main.is_asleep:
            await self.fleet.wake()
        if self.fleet.live and (main is None or not main.running) and time.monotonic() >= self._retry_at_s:
            await self._revive()

    async def _revive(self) -> None:
        """Start vLLM on what is live; wait longer after each failure."""
        fleet = self.fleet
        try:
            await fleet.revive(fleet.main or await fleet.vacant())
        except ServiceError as error:
            log.error("engine.revival_failed retry_in_s=%g error=%s", self._backoff_s, error)
            fleet.routes.hold("the live model cannot be loaded: the log of the gateway says why")
            self._retry_at_s = time.monotonic() + self._backoff_s
            self._backoff_s = min(self._backoff_s * 2, LONGEST_BACKOFF_S)
            return
        self._backoff_s = 1.0
        log.info("engine.serving %s", {alias: version.model_id for alias, version in fleet.live.items()})

    async def _next(self) -> Wish | None:
        """The oldest wish; one whose files are not what they should be has failed."""

        def find(session: Session) -> Wish | None:
            found = deployments.next_open(session)
            if found is None:
                return None
            try:
                return wish_of(session, *found)
            except ServiceError as error:
                deployments.advance(session, found[0].id, D.FAILED, error=error.message)
                return None

        return await in_thread(find)

    async def _carry_out(self, wish: Wish) -> None:
        """From pending to live, candidate, on trial, failed or withdrawn; what was served is, unless it is live."""
        log.info("deployment.started deployment_id=%s model=%s", wish.deployment_id, wish.version.model_id)
        rollout = Rollout(self.fleet, self._settings, wish, partial(self._swapping, wish))
        try:
            await in_thread(lambda s: deployments.advance(s, wish.deployment_id, D.STAGING))
            await rollout.carry_out()
        except NoRoom as reason:
            await self._record(wish, D.SUPERSEDED, rollout, error=reason.message)
        except Withdrawn as reason:
            log.info("deployment.withdrawn deployment_id=%s: %s", wish.deployment_id, reason)
        except ServiceError as error:
            if self._dead and wish.deployment_id not in self._tried:
                self._tried.add(wish.deployment_id)
                log.warning("deployment.again deployment_id=%s: vLLM ended by itself: %s", wish.deployment_id, error)
                await self._record(wish, D.PENDING, rollout)
            else:
                await self._record(wish, D.FAILED, rollout, error=error.message)
        except SQLAlchemyError as error:
            # Postgres was away before anything was changed, or between a stop and a start: it is the same wish still.
            log.error("deployment.again deployment_id=%s error=%s", wish.deployment_id, error)
            await self._record(wish, D.PENDING, rollout)
        except Exception as error:
            log.exception("deployment.crashed deployment_id=%s", wish.deployment_id)
            failure = f"{type(error).__name__}: {error} (the gateway's log has the traceback)"
            await self._record(wish, D.FAILED, rollout, error=failure)
        else:
            await self._record_success(wish, rollout)

    async def _record_success(self, wish: Wish, rollout: Rollout) -> None:
        if self.fleet.guest is None:
            await self._record(wish, D.LIVE, rollout)
            return
        self._with_guest = (wish, rollout)
        if self.fleet.trial is not None:
            await self._record(wish, D.TRIAL, rollout, trial=self.fleet.trial.shown())
        elif not await self._record(wish, D.CANDIDATE, rollout):
            await self._dismiss()

    async def _follow_guest(self, wish: Wish, rollout: Rollout) -> None:
        """Go on as its row says, which its job or a user may have changed, or a vLLM that is gone."""
        second = self.fleet.guest_backend
        row = await in_thread(lambda s: deployments.get(s, wish.deployment_id))
        if row.status not in (D.CANDIDATE, D.TRIAL):
            log.info("guest.withdrawn deployment_id=%s", wish.deployment_id)
            await self._dismiss()
        elif second is not None and second in self._dead:
            await self._dismiss()
            await self._record(wish, D.FAILED, rollout, error="the vLLM with the new model ended by itself")
        elif self._dead or await self._sharing.is_wanted():
            await self._dismiss()
            await self._record(wish, D.PENDING, rollout)
        elif self.fleet.trial is not None:
            await self._follow_trial(wish, rollout, self.fleet.trial)
        elif is_accepted(row):
            await self._accept(wish, rollout)

    async def _accept(self, wish: Wish, rollout: Rollout) -> None:
        """The candidate holds what it must: it goes live, or on trial first."""
        if wish.split is None or wish.alias not in self.fleet.live:
            await self._make_live(wish, rollout)
            return
        self.fleet.begin_trial(wish.split)
        assert self.fleet.trial is not None
        if not await self._record(wish, D.TRIAL, rollout, trial=self.fleet.trial.shown()):
            await self._dismiss()

    async def _follow_trial(self, wish: Wish, rollout: Rollout, trial: Trial) -> None:
        """End the trial when its rules say so."""
        if (verdict := trial.verdict()) is not None:
            await self._decide(wish, rollout, trial, verdict)
        elif time.monotonic() >= self._trial_shown_at_s:
            self._trial_shown_at_s = time.monotonic() + TRIAL_SHOWN_EVERY_S
            await in_thread(lambda s: deployments.show_trial(s, wish.deployment_id, trial.shown()))

    async def _decide(self, wish: Wish, rollout: Rollout, trial: Trial, verdict: Verdict) -> None:
        log.info("trial.ended deployment_id=%s %s", wish.deployment_id, verdict)
        shown = {**trial.shown(), "accepted": verdict.accepted, "verdict": verdict.reason}
        if verdict.accepted:
            await self._make_live(wish, rollout, trial=shown)
            return
        await self._dismiss()
        await self._record(wish, D.FAILED, rollout, trial=shown, error=f"the trial failed: {verdict.reason}")

    async def _make_live(self, wish: Wish, rollout: Rollout, **more: Any) -> None:
        """The row first: it may have been withdrawn, and leading the requests over cannot fail."""
        if await self._record(wish, D.LIVE, rollout, **more):
            self._with_guest = None
            await self.fleet.accept()

    async def _dismiss(self) -> None:
        self._with_guest = None
        await self.fleet.dismiss()

    async def _drop_what_was_taken_down(self) -> None:
        """A model that was measured live, and failed, while nothing else was there to go back to."""
        live = await in_thread(deployments.live_aliases)
        if gone := self.fleet.live.keys() - live:
            log.info("deployment.taken_down aliases=%s", sorted(gone))
            await self.fleet.drop(gone)

    async def _swapping(self, wish: Wish) -> None:
        try:
            await in_thread(lambda s: deployments.advance(s, wish.deployment_id, D.SWAPPING))
        except Conflict as error:
            raise Withdrawn(error.message) from error

    async def _record(self, wish: Wish, target: DeploymentStatus, rollout: Rollout, **more: Any) -> bool:
        """Write down what has happened, however long the database is away; False when it was withdrawn meanwhile."""

        def write(session: Session) -> None:
            deployments.advance(
                session,
                wish.deployment_id,
                target,
                strategy=rollout.strategy,
                reason=rollout.reason,
                timings=dict(rollout.timings),
                **more,
            )
            if rollout.parity is not None:
                model_registry.record_parity(session, wish.version.model_id, wish.version.made, rollout.parity)

        while True:
            try:
                await in_thread(write)
            except SQLAlchemyError as error:
                log.error("deployment.record_failed deployment_id=%s error=%s", wish.deployment_id, error)
                await asyncio.sleep(1)
            except Conflict as reason:
                log.info("deployment.withdrawn deployment_id=%s: %s", wish.deployment_id, reason)
                return False
            else:
                log.info("deployment.%s deployment_id=%s %s %s", target, wish.deployment_id, rollout.timings, more)
                if target in (D.LIVE, D.FAILED):
                    self._metrics.deployment(rollout.strategy, target, rollout.timings.get("total_s", 0.0))
                return True

    def _died(self, backend: Backend) -> None:
        """vLLM ended by itself: hold the requests, and look at once."""
        backend.gate.close("vLLM ended unexpectedly and is being started again")
        self._dead.add(backend)
        self._woken.set()

    async def _roots(self) -> set[Path]:
        return {self._settings.storage_path, *await in_thread(outside_models)}


def outside_models(session: Session) -> set[Path]:
    """The folders of registered models that lie outside of the storage folder: base models, mostly."""
    return {Path(location) for location in session.scalars(select(Model.location)) if Path(location).is_absolute()}
