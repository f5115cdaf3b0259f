"""The optimiser steps of a stage as its runs logged them, each as it went the last time."""

import json
from pathlib import Path
from typing import Any

from worker.stages.takeover import event_files


def logged_steps(run_dir: Path) -> list[dict[str, Any]]:
    """The `step` events of all runs so far, in order; a line that was not written to its end is passed over."""
    steps: dict[int, dict[str, Any]] = {}
    for path in (*event_files(run_dir), run_dir / "events.jsonl"):
        for line in path.read_bytes().splitlines() if path.exists() else ():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if event.get("type") == "step":
                steps[event["step"]] = event
    return [steps[number] for number in sorted(steps)]
