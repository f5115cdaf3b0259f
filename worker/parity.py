"""Asking the gateway, before anything is trained, whether the rows are rendered as they will be served.

That needs a vLLM with the job's tokenizer and template: one that serves the base model, or a model made of it.  Where
there is none, or it cannot be asked, the check waits for the model's first deployment (`inference.rollout`).
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx
from pydantic import ValidationError

from core.errors import ParityMismatch
from core.parity import ParityRecord, load, not_checked
from core.settings import get_settings
from core.storage import read_json, write_json
from worker.lease import LeaseKeeper
from worker.report import Reporter

_RECORD = "parity.json"
TIMEOUT_S = 60.0
"""A second or two is usual; a gateway whose vLLM sleeps or starts would keep us waiting for nothing."""


class NotAsked(Exception):
    """Why the gateway could not be asked."""


def recorded(folder: Path) -> ParityRecord | None:
    """The record in a stage's run directory."""
    file = folder / _RECORD
    return ParityRecord.model_validate(read_json(file)) if file.exists() else None


class ParityBeforeTraining:
    """The check of one run's stages; its record waits in the stage's folder for the stage's model."""

    def __init__(self, keeper: LeaseKeeper, reporter: Reporter) -> None:
        self.keeper, self.reporter, self.job_id = keeper, reporter, keeper.lease.job_id

    def check_all(self, folders: dict[str, Path], find_served: Callable[[], str | None]) -> None:
        """Check the stages, by name and run directory, that were neither trained nor checked yet; ParityMismatch."""
        for stage, folder in folders.items():
            known = recorded(folder)
            if (folder / "sft.json").exists() or (known is not None and known.checked):
                continue
            record = self.check(stage, folder, find_served())
            write_json(folder / _RECORD, record.model_dump(mode="json"))
            if record.checked:
                message = f"vLLM renders and reads all {record.rows} sampled answers of {stage} as trained"
                self.reporter.event("parity.checked", message, {"stage": stage, "served": record.served})
            else:
                message = f"The rendering of {stage} is checked when its model goes live: {record.why}"
                self.reporter.event("parity.later", message, {"stage": stage})

    def check(self, stage: str, folder: Path, served: str | None) -> ParityRecord:
        """What the vLLM that serves `served` makes of the stage's rows; ParityMismatch when it is something else.

        `folder` is the stage's run directory, and `served` None where no model of the base is live.
        """
        if served is None:
            return not_checked("no model of this base was live before training")
        if not load(folder):
            return not_checked("the stage's prepared rows have nothing to ask about")
        try:
            record = self._ask(stage, served)
        except NotAsked as reason:
            return not_checked(f"the gateway could not be asked before training: {reason}")
        if (failure := record.failure()) is not None:
            raise ParityMismatch(f"stage {stage}: {failure}")
        return record

    def _ask(self, stage: str, served: str) -> ParityRecord:
        """In a thread of its own, for the lease is renewed in this one."""
        body = {"model": served, "job_id": self.job_id, "stage": stage}
        pool = ThreadPoolExecutor(1)
        try:
            answer = pool.submit(_post, body)
            if not self.keeper.wait_until(answer.done, TIMEOUT_S):
                raise NotAsked(f"it did not answer within {TIMEOUT_S:g} s")
            return _read(answer)
        finally:
            pool.shutdown(wait=False)


def _post(body: dict[str, str]) -> httpx.Response:
    settings = get_settings()
    headers = {"authorization": f"Bearer {settings.require_admin_key()}"}
    return httpx.post(f"{settings.inference_url}/parity", json=body, headers=headers, timeout=TIMEOUT_S)


def _read(answer: "Future[httpx.Response]") -> ParityRecord:
    try:
        response = answer.result()
        response.raise_for_status()
        return ParityRecord.model_validate_json(response.content)
    except httpx.HTTPStatusError as error:
        raise NotAsked(f"{error.response.status_code} {error.response.text[:300]}") from error
    except (httpx.HTTPError, ValidationError) as error:
        raise NotAsked(f"{type(error).__name__}: {error}") from error
