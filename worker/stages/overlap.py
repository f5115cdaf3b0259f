"""Whether training rows answer the very questions that the model will be evaluated on.

A question is what stands before an answer, system messages and tools aside: in a conversation, the whole of it so far,
or what was said since the user last spoke, as rows joined by `join_rows` were questions of their own.
"""

import json
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

from core.rows import Row

_SIZE = 8
"""Bytes of a key: among a million rows, two different questions share one with a chance of 3 in 100 million."""


def evaluation_keys(rows: Iterable[Row]) -> tuple[frozenset[int], int]:
    """The keys of the questions that the rows end with, and how many rows there are."""
    keys, count = set(), 0
    for row in rows:
        count += 1
        answers = [i for i, message in enumerate(row.messages) if message["role"] == "assistant"]
        if answers:
            keys.add(_key(_digest(row.messages[: answers[-1]])))
    return frozenset(keys), count


def overlaps(row: Row, keys: frozenset[int]) -> bool:
    """Whether an answer of the row that is learned answers a question with one of the keys."""
    whole, turn = blake2b(digest_size=_SIZE), blake2b(digest_size=_SIZE)
    before = ""
    for message in row.messages:
        role = message["role"]
        if role == "assistant" and message.get("weight", 1) and {_key(whole), _key(turn)} & keys:
            return True
        if role == "user" and before != "user":
            turn = blake2b(digest_size=_SIZE)
        for digest in (whole, turn):
            digest.update(_said(message))
        before = role
    return False


def _digest(messages: Iterable[dict[str, Any]]) -> blake2b:
    digest = blake2b(digest_size=_SIZE)
    for message in messages:
        digest.update(_said(message))
    return digest


def _said(message: dict[str, Any]) -> bytes:
    if message["role"] in ("system", "developer"):
        return b""
    calls = [call["function"] for call in message.get("tool_calls") or []]
    return json.dumps([message["role"], message["content"].strip(), calls], sort_keys=True).encode()


def _key(digest: blake2b) -> int:
    return int.from_bytes(digest.digest())
