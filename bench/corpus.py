"""Rows in the forms of UltraChat and xlam with the variety of the real sets: words by Zipf's law, and many tools.

In xlam 60,000 rows offer 3,673 different tools, so here a tool is offered about as often.  Nothing means anything.
"""

import itertools
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

WORDS = 8000
ROWS_PER_TOOL = 16
_SYLLABLES = ("ka", "lo", "mi", "re", "tan", "ver", "sol", "in", "de", "pro", "con", "al", "es", "ti", "or", "um")


class Corpus:
    """Text and tools drawn from one seed."""

    def __init__(self, seed: int, tools: int) -> None:
        self._random = random.Random(seed)
        self._words = ["".join(self._random.choices(_SYLLABLES, k=self._random.randint(1, 4))) for _ in range(WORDS)]
        self._frequencies = list(itertools.accumulate(1 / (rank + 2) for rank in range(WORDS)))
        self._tools = [self._tool(number) for number in range(tools)]

    def chat_row(self, number: int) -> dict[str, Any]:
        """One to four questions with answers of very different lengths."""
        messages = []
        for _ in range(self._random.randint(1, 4)):
            messages.append({"role": "user", "content": self.text(5, 30)})
            messages.append({"role": "assistant", "content": self.text(10, 100)})
        return {"prompt_id": str(number), "prompt": messages[0]["content"], "messages": messages}

    def tool_row(self, number: int) -> dict[str, Any]:
        """A question that calls one or two of up to four tools."""
        tools = self._random.sample(self._tools, self._random.randint(1, 4))
        called = tools[: self._random.randint(1, min(2, len(tools)))]
        answers = [{"name": t["name"], "arguments": {key: self.text(1, 3) for key in t["parameters"]}} for t in called]
        query = self.text(8, 30)
        return {"id": number, "query": query, "answers": json.dumps(answers), "tools": json.dumps(tools)}

    def text(self, least: int, most: int) -> str:
        """Words, with a full stop now and then."""
        count = self._random.randint(least, most)
        words = self._random.choices(self._words, cum_weights=self._frequencies, k=count)
        return " ".join(f"{word}." if place % 12 == 11 else word for place, word in enumerate(words))

    def _tool(self, number: int) -> dict[str, Any]:
        parameters = {
            f"{self.text(1, 1)}_{place}": {"description": self.text(4, 12), "type": "str", "default": self.text(1, 1)}
            for place in range(self._random.randint(1, 4))
        }
        name = f"{self.text(1, 1)}_{self.text(1, 1)}_{number}".replace(".", "")
        return {"name": name, "description": self.text(6, 16), "parameters": parameters}


def write_rows(folder: Path, rows: int, seed: int = 1) -> None:
    """Write `chat.jsonl` and `tools.jsonl` with so many rows each."""
    corpus = Corpus(seed, max(8, rows // ROWS_PER_TOOL))
    for name, make in (("chat", corpus.chat_row), ("tools", corpus.tool_row)):
        with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(_lines(make(number) for number in range(rows)))


def _lines(rows: Iterator[dict[str, Any]]) -> Iterator[str]:
    return (json.dumps(row) + "\n" for row in rows)
