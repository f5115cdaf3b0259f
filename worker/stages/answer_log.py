"""`asked.jsonl` of a run directory: what was answered to which request, so that no evaluation asks it twice.

Lines are appended as the answers come, in any order; a last line that was not written to its end is cut off by the
next run.  A request is known by a digest of all of it, the model's name included, and so an answer is never taken for
that of another question.  Evaluations are greedy: asking again would only give the same answer.
"""

import errno
import json
import os
import time
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO, Self

Json = dict[str, Any]


class AnswerLog:
    """Open for the length of a `with` block."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._answers: dict[str, Json] = {}
        self._spent_s = 0.0
        self._file: BinaryIO

    def __enter__(self) -> Self:
        self._file = self._path.open("a+b", buffering=0)
        self._file.seek(0)
        whole = 0
        for line in self._file.read().splitlines(keepends=True):
            try:
                entry = json.loads(line)
                answer, spent_s = entry["answer"], entry["spent_s"]
            except (ValueError, KeyError, TypeError):
                break
            if not line.endswith(b"\n"):
                break
            self._answers[entry["request"]] = answer
            self._spent_s = max(self._spent_s, spent_s)
            whole += len(line)
        self._file.truncate(whole)
        self._began = time.monotonic()
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._answers)

    @property
    def spent_s(self) -> float:
        """Seconds that asking has taken, in this run and those before."""
        return self._spent_s + time.monotonic() - self._began

    def find(self, request: Json) -> Json | None:
        """The answer, if the request was answered before."""
        return self._answers.get(_digest(request))

    def add(self, request: Json, answer: Json) -> None:
        """Remember an answer."""
        digest = _digest(request)
        entry = {"request": digest, "spent_s": round(self.spent_s, 3), "answer": answer}
        line = json.dumps(entry).encode() + b"\n"
        end = self._file.seek(0, os.SEEK_END)
        if self._file.write(line) < len(line):  # what a full disk does first, without an error
            self._file.truncate(end)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
        self._answers[digest] = answer


def _digest(request: Json) -> str:
    return blake2b(json.dumps(request, sort_keys=True).encode(), digest_size=16).hexdigest()
