"""The numbers of tokens that an answer ends with, found without parsing it."""

import re
from typing import NamedTuple

LOOKED_AT_BYTES = 2048
"""Usage and the end of the stream fit into that many of an answer's last bytes."""
# Within a JSON string every quote is escaped, so these bytes are never text that a model wrote.
_USAGE = b'"usage":{'
_PROMPT = re.compile(rb'"prompt_tokens":(\d+)')
_COMPLETION = re.compile(rb'"completion_tokens":(\d+)')


class Tokens(NamedTuple):
    """What an answer cost."""

    prompt: int
    completion: int


def tokens_in(tail: bytes) -> Tokens | None:
    """From the last `usage` in the last bytes of an answer."""
    begin = tail.rfind(_USAGE)
    if begin < 0:
        return None
    prompt, completion = _PROMPT.search(tail, begin), _COMPLETION.search(tail, begin)
    return Tokens(int(prompt[1]), int(completion[1]) if completion else 0) if prompt else None
