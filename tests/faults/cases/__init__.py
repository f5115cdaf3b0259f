"""The directed cases: one fault each, aimed so that it surely hits."""

from tests.faults.cases import machine, queue, services, serving, training
from tests.faults.cases.registry import CASES, Case, Skipped

__all__ = ["CASES", "Case", "Skipped", "machine", "queue", "services", "serving", "training"]
