"""Whether a training goes as it should, judged by rules over its logged steps: while it runs, and at its end."""

from core.health.findings import Finding, Health, Kind, Step
from core.health.watch import HealthWatch, verdict

__all__ = ["Finding", "Health", "HealthWatch", "Kind", "Step", "verdict"]
