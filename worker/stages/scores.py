"""The figures of a suite: every share of its rows with its 95% interval, and how often the model called when."""

from collections.abc import Sequence
from typing import Any

from core.significance import rate
from core.suites import SuiteKind
from worker.stages.grading import Graded


def summarise(kind: SuiteKind, rows: Sequence[Graded]) -> dict[str, Any]:
    """The numbers over all rows and by kind; each share is null where there is nothing to take it of."""
    calls = [row for row in rows if row.expects_call]
    others = [row for row in rows if not row.expects_call]
    kinds = sorted({row.kind for row in rows})
    return {
        "kind": kind,
        "rows": len(rows),
        "function_name_accuracy": rate(row.name_ok for row in calls),
        "function_name_and_args_accuracy": rate(row.correct for row in calls),
        "lenient_function_name_and_args_accuracy": rate(row.lenient for row in calls),
        "no_call_accuracy": rate(row.correct for row in others),
        "no_call_precision": rate(not row.expects_call for row in rows if not row.called),
        "malformed_call_rate": rate(row.malformed for row in rows),
        "stop_rate": rate(row.stopped for row in rows),
        "confusion": {
            "called_expected": sum(row.called for row in calls),
            "not_called_expected": sum(not row.called for row in calls),
            "called_unexpected": sum(row.called for row in others),
            "not_called_unexpected": sum(not row.called for row in others),
        },
        "by_kind": {kind: rate(row.correct for row in rows if row.kind == kind) for kind in kinds},
    }
