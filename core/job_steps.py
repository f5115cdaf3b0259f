"""One count of optimiser steps through a job, where each stage counts its own from 1."""

from typing import Any


def steps_before(plan: dict[str, Any]) -> dict[str, int]:
    """How many steps come before each stage's first, by stage; as planned, which a stage that trains has kept to."""
    before, total = {}, 0
    for stage in plan["stages"]:
        before[stage["name"]] = total
        total += stage["steps"] or 0
    return before
