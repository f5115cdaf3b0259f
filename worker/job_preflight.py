"""The first phase of a job is a preflight too: what preparing its stages has shown is kept with the job."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from core import preflights, runs
from core.architecture import Architecture
from core.events import add_event
from core.preparation import Preparation
from core.runs import Lease
from core.spec import JobSpec
from core.storage import read_json
from worker.preflight import base_architecture, report_of


@dataclass(frozen=True)
class Prepared:
    """What the stages' run directories hold once all are prepared."""

    preparations: dict[str, Preparation]
    preview: list[dict[str, Any]]
    architecture: Architecture | None

    @classmethod
    def read(cls, folders: dict[str, Path], base: Path) -> "Prepared | None":
        """By each stage's name and folder; None where a version prepared them that had no preflights."""
        if not all((folder / "preview.json").exists() for folder in folders.values()):
            return None
        return cls(
            {name: Preparation.model_validate(read_json(path / "prepare.json")) for name, path in folders.items()},
            [{"stage": name, "rows": read_json(path / "preview.json")} for name, path in folders.items()],
            base_architecture(base),
        )


def store(session: Session, lease: Lease, spec: JobSpec, prepared: Prepared) -> None:
    """Keep the report with the job; its warnings become events, once."""
    runs.hold(session, lease)
    report = report_of(session, spec, prepared.architecture, prepared.preparations)
    is_new = preflights.store_of_job(session, lease.job_id, spec, report.model_dump(mode="json"), prepared.preview)
    for warning in report.warnings if is_new else ():
        data = {"code": warning.code, "param": warning.param}
        add_event(
            session, lease.job_id, "preflight.warning", warning.message, lease.attempt, level="warning", data=data
        )
