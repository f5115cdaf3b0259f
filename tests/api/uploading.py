"""Files to upload, as people have them, and what is in the storage afterwards."""

import io
import json
import shutil
from pathlib import Path
from typing import Any

import httpx

from core import retention
from core.file_store import files_root, incoming_root
from tests.api.bodies import ANSWER, QUESTION


def rows_of(count: int = 20, length: int = 1, **answer: Any) -> bytes:
    """JSONL of `count` OpenAI chat rows, their answers about `length` characters long."""
    row = {"messages": [QUESTION, {**ANSWER, "content": "It rains. " * max(1, length // 10), **answer}]}
    return (json.dumps(row) + "\n").encode() * count


def post(
    client: httpx.Client,
    content: bytes,
    filename: str = "train.jsonl",
    purpose: str = "fine-tune",
    at: str = "/files",
    **headers: str,
) -> httpx.Response:
    form = {"purpose": purpose}
    return client.post(at, files={"file": (filename, io.BytesIO(content))}, data=form, headers=headers)


def uploaded(client: httpx.Client, content: bytes, filename: str = "train.jsonl", **more: str) -> dict[str, Any]:
    """The file object of an upload, which must succeed."""
    answer = post(client, content, filename, **more)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def empty_file_store() -> None:
    """Remove every uploaded file, whatever their rows say."""
    for folder in (files_root(), incoming_root(), retention.trash()):
        shutil.rmtree(folder, ignore_errors=True)


def stored() -> list[Path]:
    """Every path below the folders of uploads, but for those two themselves."""
    return [path for root in (files_root(), incoming_root()) for path in sorted(root.rglob("*"))]
