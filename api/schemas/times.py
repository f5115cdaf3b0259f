"""Times as OpenAI's objects have them."""

from datetime import datetime
from typing import overload


@overload
def unix_seconds(moment: datetime) -> int: ...
@overload
def unix_seconds(moment: None) -> None: ...
def unix_seconds(moment: datetime | None) -> int | None:
    """Whole seconds since 1970, as OpenAI's objects have them."""
    return None if moment is None else int(moment.timestamp())
