"""The audit log: who changed what, when, from where, and what was refused.

An entry is written in the transaction of its change, so there is neither without the other.
"""

from dataclasses import asdict, dataclass

from core.ids import new_id
from core.models import AuditEntry

DONE = "done"
"""The outcome of a change; of one that was refused it is the error's code."""


@dataclass(frozen=True)
class Change:
    """What a request is about to change: all of an entry but what becomes of it."""

    project: str | None
    key: str
    action: str
    request_id: str
    address: str | None


def entry(change: Change, thing: str | None, outcome: str = DONE) -> AuditEntry:
    """The row that says so; `thing` is the id or the name of what is changed."""
    return AuditEntry(**row(change, thing, outcome))


def row(change: Change, thing: str | None, outcome: str = DONE) -> dict[str, str | None]:
    """The columns of the row, for a statement of one's own."""
    return {"id": new_id("audit"), **asdict(change), "thing": thing, "outcome": outcome}
