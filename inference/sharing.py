"""One GPU for training and serving: vLLM gives its memory to a run that asks for it, and takes it back afterwards.

Asleep (level 2), vLLM keeps its process and wakes in seconds with the weights that it is given.  Where its sleep frees
nothing, as that of its CPU build, which answers 200 all the same, the process is stopped instead and started again.
"""

import logging
import math
import time

from sqlalchemy.orm import Session

from core import pauses
from core.db import in_thread
from core.errors import ServiceError
from core.settings import Settings
from inference.fleet import Fleet

log = logging.getLogger(__name__)
TOLD_EVERY_S = 5.0


class Sharing:
    """Follows what runs ask for; `paused` while one of them has the GPU."""

    def __init__(self, fleet: Fleet, settings: Settings) -> None:
        self.paused = False
        self._fleet = fleet
        self._mode = settings.share_gpu
        self._told_at_s = -math.inf

    async def is_wanted(self) -> bool:
        """Whether a run asks for the GPU, or has it."""
        return self._mode != "off" and (await in_thread(_wanted))[0] is not None

    async def follow(self) -> None:
        """Free the GPU for a run that asks.  At the end of a pause, whoever serves next opens the gate."""
        if self._mode == "off":
            return
        job_id, expected_s = await in_thread(_wanted)
        if job_id is None:
            self.paused, self._told_at_s = False, -math.inf
            return
        self._tell(expected_s)
        if not self.paused:
            how = await self._free()
            self.paused = True
            log.info("sharing.paused job_id=%s how=%s", job_id, how)
        main = self._fleet.main
        how = "asleep" if main is not None and main.is_asleep else "stopped"
        await in_thread(lambda session: pauses.grant(session, how))

    async def _free(self) -> str:
        main = self._fleet.main
        if main is None or not main.running:
            return "not running"
        await main.gate.drained(None)
        try:
            if await main.sleep():
                return "asleep"
            log.warning("sharing.sleep_frees_nothing: this vLLM is stopped instead")
        except ServiceError as error:
            log.warning("sharing.sleep_failed error=%s: vLLM is stopped instead", error)
        await main.stop()
        return "stopped"

    def _tell(self, expected_s: float | None) -> None:
        """Close the gate, and now and then say anew how long that will last."""
        now_s = time.monotonic()
        if now_s - self._told_at_s < TOLD_EVERY_S:
            return
        self._told_at_s = now_s
        retry_after_s = None if expected_s is None else max(1, math.ceil(expected_s))
        self._fleet.hold(
            "a job is training on the GPU that they share",
            turn_away=self._mode == "reject",
            retry_after_s=retry_after_s,
        )


def _wanted(session: Session) -> tuple[str | None, float | None]:
    job = pauses.wanted(session)
    return (None, None) if job is None else (job.id, pauses.expected_s(job))
