"""The counts of a stage's preparation that give no cause for a warning, and rows that something is true of."""

from typing import Any

from core.preparation import Rows

SOUND: dict[str, Any] = {
    "rows_in": 1000, "rows": 1000, "dropped": {}, "cut": Rows(), "duplicates": Rows(), "evaluation_rows": 100,
    "overlap": Rows(), "kinds": {"own": 1000}, "no_call_unfilled": 0, "lengths": (), "tokens": 900_000,
    "trained_tokens": 400_000, "longest": 1800, "longest_batch_tokens": 7200, "not_stopped": Rows(), "steps": 63,
    "parity_rows": 64, "prepare_s": 1.0,
}  # fmt: skip
ROWS = {"count": 70, "first": [{"source": "a.jsonl", "row": row} for row in range(3, 10)]}
