"""What a request asks for, found in its JSON body without building or rewriting more of it than that takes.

Most bodies name the model once, and nothing but plain members follow it: there, searching is enough, at a fifth of what
parsing costs.  In any other the members of the outermost object are walked through, and the standard library's scanner,
in C, steps over their values.  Either way every byte but those of the model's name reaches vLLM as it was sent.
"""

import json
import re
from functools import cached_property, lru_cache
from typing import Any

from core.errors import InvalidRequest

Span = tuple[int, int]
_SPACE = rb"[ \t\n\r]*"
_SCALAR = rb'(?:"[^"\\]*"|[-+.0-9eE]+|true|false|null)'
_KEY_OF_MODEL = b'"model"'
_MODEL = re.compile(rb'[{, \t\n\r]"model"%b:%b("[^"\\\x00-\x1f]*")' % (_SPACE, _SPACE))
_FIRST_MEMBER = re.compile(rb"%b\{%b" % (_SPACE, _SPACE))
_LAST_MEMBERS = re.compile(rb'(?:%b,%b"[^"\\]*"%b:%b%b)*%b\}%b' % (*[_SPACE] * 4, _SCALAR, _SPACE, _SPACE))
_ESCAPED_LETTER = b"\\u006"
"""How each of the letters of `model` would begin in a key that is spelled with escapes."""

_BEGIN = re.compile(r"[ \t\n\r]*\{[ \t\n\r]*(\}[ \t\n\r]*$)?")
_KEY = re.compile(r'"((?:[^"\\]|\\.)*)"[ \t\n\r]*:[ \t\n\r]*')
_NEXT = re.compile(r'[ \t\n\r]*(?:,[ \t\n\r]*(?=")|(\})[ \t\n\r]*$)')
_read_value = json.JSONDecoder().raw_decode


class Asked:
    """A request's body; InvalidRequest unless it names a model."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        span = _find_model(body)
        self._names = [span] if span else self._walked[1]
        """Where the values of `model` are; more than one only in a body that repeats the key: the last one counts."""
        model = _read_name(body[slice(*self._names[-1])]) if self._names else None
        if not isinstance(model, str) or not model:
            raise InvalidRequest("model: name the model; GET /v1/models lists them", param="model")
        self.model = model

    def for_model(self, name: str) -> bytes:
        """The body as it came, asking for another model."""
        value = _written_name(name)
        kept, end = [], 0
        for begin, after in self._names:
            kept += [self.body[end:begin], value]
            end = after
        return b"".join([*kept, self.body[end:]])

    def number(self, key: str) -> int | None:
        """The whole number under that key, also if it is written as a fraction or a string: vLLM takes both.

        None when there is none; what else is there is for vLLM to judge.
        """
        value = self._walked[0].get(key)
        try:
            return int(value) if isinstance(value, int | float | str) else None
        except (ValueError, OverflowError):
            return None

    @property
    def offers_tools(self) -> bool:
        """Whether the model may call functions."""
        return bool(self._walked[0].get("tools"))

    @cached_property
    def _walked(self) -> tuple[dict[str, Any], list[Span]]:
        try:
            return _walk(self.body)
        except (ValueError, RecursionError) as error:
            raise InvalidRequest(f"the body is not a JSON object: {error}") from error


@lru_cache(maxsize=256)
def _read_name(value: bytes) -> Any:
    try:
        return json.loads(value)
    except UnicodeDecodeError:
        return None


@lru_cache(maxsize=256)
def _written_name(name: str) -> bytes:
    return json.dumps(name).encode()


def _find_model(body: bytes) -> Span | None:
    """Where the one model's name is, or None where searching does not tell for certain.

    Within a JSON string every quote is escaped, so a quote behind a brace, a comma or space begins a string.  The key
    belongs to the outermost object when that has just begun, or when nothing but plain members and its end follow.
    """
    key = body.find(_KEY_OF_MODEL)
    found = _MODEL.match(body, key - 1) if key > 0 else None
    if found is None or body.find(_KEY_OF_MODEL, key + 1) >= 0 or _ESCAPED_LETTER in body:
        return None
    if _FIRST_MEMBER.fullmatch(body, 0, key) or _LAST_MEMBERS.fullmatch(body, found.end()):
        return found.span(1)
    return None


def _walk(body: bytes) -> tuple[dict[str, Any], list[Span]]:
    """Every member of the outermost object, the last of each key, and the places of the values of `model`.

    Read as Latin-1, in which a place in the text is one in the bytes.  Only keys, numbers and emptiness are looked at.
    """
    text = body.decode("latin-1")
    members: dict[str, Any] = {}
    names: list[Span] = []
    found = _BEGIN.match(text)
    if found is None:
        raise ValueError("it does not begin with {")
    position, ended = found.end(), found[1]
    while not ended:
        key_found = _KEY.match(text, position)
        if key_found is None:
            raise ValueError(f"a key was expected at byte {position}")
        key, begin = key_found[1], key_found.end()
        if "\\" in key:
            key = json.loads(f'"{key}"')
        members[key], position = _read_value(text, begin)
        if key == "model":
            names.append((begin, position))
        next_found = _NEXT.match(text, position)
        if next_found is None:
            raise ValueError(f"a comma or the closing brace was expected at byte {position}")
        position, ended = next_found.end(), next_found[1]
    return members, names
