"""What a key opens: its scopes, and the one project that it belongs to, if it does not belong to all."""

import math
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.errors import PermissionDenied
from core.rate_limits import RateLimit


class Scope(StrEnum):
    """What a key may do."""

    ADMIN = "admin"
    """Everything, and keys, projects, queues, storage and the audit log."""
    TRAIN = "train"
    """Files, preflights, jobs, models and deployments."""
    INFER = "infer"
    """The inference paths."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What one key opens.  `project` None: that of no project in particular, so all of them.

    `key_id` is None for a key of the settings, which has no row.
    """

    name: str
    scopes: frozenset[Scope]
    project: str | None = None
    key_id: str | None = None
    expires_s: float = math.inf
    """Unix seconds."""
    limits: tuple[RateLimit, ...] = ()
    """Its own and its project's."""

    @property
    def label(self) -> str:
        """What the audit log and refusals call the key."""
        return self.key_id or self.name

    def opens(self, scope: Scope) -> bool:
        """Whether the key has the scope; admin holds the others."""
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def require(self, scope: Scope) -> None:
        """PermissionDenied unless the key has the scope."""
        if not self.opens(scope):
            held = ", ".join(sorted(self.scopes))
            raise PermissionDenied(
                f"this needs a key with the scope `{scope}`, and {self.label} has {held}: POST /keys makes another"
            )

    def within(self, asked: str | None) -> str | None:
        """The project that a request is about, of which it may say so itself; None is all of them.

        PermissionDenied when it asks for another than the key's.
        """
        if self.project is not None and asked not in (None, self.project):
            raise PermissionDenied(
                f"OpenAI-Project is {asked!r}, but {self.label} belongs to {self.project!r}: leave the header out, or "
                "use a key of that project",
                param="OpenAI-Project",
            )
        return self.project or asked

    def require_every_project(self) -> None:
        """PermissionDenied for a key that belongs to one project."""
        if self.project is not None:
            raise PermissionDenied(
                f"this concerns every project, and {self.label} belongs to {self.project!r}: use the admin key"
            )


def unix_or_never(moment: datetime | None) -> float:
    """When a key expires, in Unix seconds; infinity when it does not."""
    return math.inf if moment is None else moment.timestamp()
