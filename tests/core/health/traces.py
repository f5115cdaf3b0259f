"""The logged steps of real trainings of the tiny base on the example data (`examples/jobs/demo.json`)."""

import csv
from pathlib import Path

from core.health import Step
from core.spec import JobSpec

ROOT = Path(__file__).parents[3]
CHAT, TOOLS = JobSpec.model_validate_json((ROOT / "examples" / "jobs" / "demo.json").read_bytes()).stages
TIMES_100 = CHAT.model_copy(update={"learning_rate": 100 * CHAT.learning_rate})


def trace(name: str) -> list[Step]:
    """Of `demo_chat`, `demo_tools`, `rate_times_100`, or `bad_batch`, whose step 41 has rows of random tokens."""
    with (Path(__file__).parent / "logged" / f"{name}.csv").open() as file:
        return [Step.model_validate(row) for row in csv.DictReader(file)]
