"""Any value that a model may have written, as one that Postgres stores.

Its text has no NUL and no half of a surrogate pair, and its JSON no number that is not finite.  What is replaced stays
visible: by the sign for NUL, by the replacement character, and by the number's name.
"""

import math
import re
from typing import Any

_SURROGATE = re.compile("[\ud800-\udfff]")


def storable(value: Any) -> Any:
    """The value with every text and number in it made so."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value.replace("\0", "\u2400"))
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {storable(str(key)): storable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [storable(each) for each in value]
    return value
