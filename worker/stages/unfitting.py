"""Tools that do not fit a question, so that the right answer to it is no call.

The rule: a tool fits a question when they share a word of content.  A tool's words are those of its name, of its
description, and of its parameters' names and descriptions; `get_weather` has "weather", `cityName` "city" and "name",
and "weather" is found in `getweather` too.  Words are compared without plural endings and by their first five letters,
so "converting" meets "conversion"; words of fewer than three letters, and those that any question or tool may have,
say nothing.  A tool without a word of content, and any tool for a question that is not in Latin letters, cannot be
judged and counts as fitting.  So the rule rather keeps away a tool that would not have fitted; what it cannot see is a
question in another language than the tools, or one that means a tool without any of its words.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from random import Random
from typing import Any

from core.rows import Row

Tools = list[dict[str, Any]]
LENDERS = 1000
"""So many lists of tools are looked through for each question; more make no search better."""
_WORD = re.compile(r"[^\W\d_]{3,}")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_BEYOND_LATIN = re.compile(r"[^\W\d_\u0000-\u024f\u1e00-\u1eff]")
_STEM = 5
_SILENT = frozenset(
    re.findall(
        r"\w+",
        """
        about all also and any are based been but can contain contains could default did does each etc example
        for format from get gets give given had has have her here him his how input into its just let like
        make makes may more most must need needs not one only optional other our out output parameter
        parameters please provide provided provides required result results return returned returns set she
        should some specific specified such tell than that the their them then there these they this those use
        used user uses using value values want was were what when where which while who whose why will with
        would you your
        """,
    )
)


def stem(word: str) -> str:
    """What is compared of a word in small letters: its first five, without a plural ending."""
    if len(word) > 4 and word.endswith("ies"):
        word = word[:-3] + "y"
    elif len(word) > 4 and word.endswith(("ches", "shes", "sses", "xes")):
        word = word[:-2]
    elif len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        word = word[:-1]
    return word[:_STEM]


@lru_cache(maxsize=2000)
def stems(text: str) -> frozenset[str]:
    """The words of content in a text, as they are compared."""
    words = (word.lower() for word in _WORD.findall(_CAMEL.sub(" ", text)))
    return frozenset(stem(word) for word in words if word not in _SILENT)


def stems_of_tool(tool: dict[str, Any]) -> frozenset[str]:
    """The words of a tool's name and description, and of its parameters' names and descriptions."""
    words = [word.lower() for word in _WORD.findall(tool["function"]["name"])]
    inner = {word[i : i + n] for word in words for n in (4, _STEM) for i in range(len(word) - n + 1)}
    return frozenset(inner - _SILENT).union(*(stems(text) for text in _texts(tool["function"])))


def fits(tool: dict[str, Any], question: str) -> bool:
    """Whether the tool may be meant by the question, or cannot be judged."""
    words = stems_of_tool(tool)
    return not words or not _is_latin(question) or bool(words & stems(question))


def question_of(row: Row) -> str:
    """All that the user says in a row."""
    return "\n".join(message["content"] for message in row.messages if message["role"] == "user")


class Lenders:
    """Lists of tools to borrow: finds one without a tool that fits, wherever there is one."""

    def __init__(self, lists: Iterable[Tools]) -> None:
        self._lists, self._tools = _Index(), _Index()
        for tools in lists:
            if tools:
                words = [stems_of_tool(tool) for tool in tools]
                self._lists.add(tools, words)
                for tool, its in zip(tools, words, strict=True):
                    self._tools.add([tool], [its])

    def unfitting(self, question: str, rng: Random) -> Tools | None:
        """A list none of whose tools fits; else one tool alone that does not; None when every tool fits."""
        if not _is_latin(question):
            return None
        asked = stems(question)
        return self._lists.without(asked, rng) or self._tools.without(asked, rng)


class _Index:
    """Different lists of tools by the words in them."""

    def __init__(self) -> None:
        self._lists: list[Tools] = []
        self._seen: set[str] = set()
        self._having: dict[str, int] = {}
        """For each word the lists with it, as the bits of a number."""
        self._unjudged = 0
        """The lists with a tool that has no word of content, the same way."""

    def add(self, tools: Tools, words: list[frozenset[str]]) -> None:
        """Add a list whose tools have these words, unless it is there."""
        key = repr(tools)
        if key in self._seen:
            return
        self._seen.add(key)
        bit = 1 << len(self._lists)
        self._unjudged |= bit if not all(words) else 0
        for word in frozenset().union(*words):
            self._having[word] = self._having.get(word, 0) | bit
        self._lists.append(tools)

    def without(self, words: frozenset[str], rng: Random) -> Tools | None:
        """Any of the lists that have none of the words."""
        fitting = self._unjudged
        for word in words:
            fitting |= self._having.get(word, 0)
        bits = bin((1 << len(self._lists)) - 1 & ~fitting)[:1:-1]
        free = [number for number, bit in enumerate(bits) if bit == "1"]
        return self._lists[rng.choice(free)] if free else None


def _is_latin(text: str) -> bool:
    return not _BEYOND_LATIN.search(text)


def _texts(function: dict[str, Any]) -> Iterator[str]:
    yield function["name"]
    yield function.get("description") or ""
    yield from _texts_of_schema(function.get("parameters"))


def _texts_of_schema(schema: Any) -> Iterator[str]:
    """Names and descriptions of parameters, those of inner objects too."""
    if isinstance(schema, list):
        for each in schema:
            yield from _texts_of_schema(each)
    if not isinstance(schema, dict):
        return
    if isinstance(schema.get("description"), str):
        yield schema["description"]
    properties = schema.get("properties")
    if isinstance(properties, dict):
        for name, inner in properties.items():
            yield name
            yield from _texts_of_schema(inner)
    for key in ("items", "anyOf", "oneOf", "allOf", "prefixItems", "additionalProperties"):
        yield from _texts_of_schema(schema.get(key))
