"""The rows of a stage: its own, some chat rows with tools that do not fit (so that it learns when NOT to call),
and some plain chat rows of the stage before (so that it does not forget).  Deterministic from the seed.
"""

import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from core.errors import BadData
from core.file_store import stored_path
from core.rows import Row, joined, read_rows
from core.spec import DatasetSpec
from core.storage import confined
from worker.stages.hub import read_hub_rows
from worker.stages.run_dir import StageRun


class Roots(Protocol):
    """Where files are: a `StageRun` or an `EvaluationRun`."""

    @property
    def data_root(self) -> str: ...

    @property
    def files_root(self) -> str: ...


def stage_rows(run: StageRun) -> Iterator[Row]:
    """All training rows of the stage, in a fixed order (the trainer shuffles)."""
    stage = run.stage
    mixed = stage.no_call_fraction + stage.replay_fraction
    if not mixed or run.replay is None:
        yield from joined(source_rows(stage.data, run), stage.join_rows)
        return
    own = list(joined(source_rows(stage.data, run), stage.join_rows))
    no_call, replay = round(len(own) * stage.no_call_fraction), round(len(own) * stage.replay_fraction)
    own = own[: len(own) - no_call - replay]
    rng = random.Random(run.seed)
    chat = [row for row in source_rows(run.replay, run) if not row.tools]
    if len(chat) < no_call + replay:
        raise BadData(
            f"stage {stage.name}: no_call_fraction and replay_fraction ask for {no_call + replay} chat rows, and the "
            f"stage before has {len(chat)}; lower the fractions"
        )
    chosen = rng.sample(chat, no_call + replay)
    yield from own
    yield from (_with_unfitting_tools(row, own, rng) for row in chosen[:no_call])
    yield from chosen[no_call:]


def source_rows(data: DatasetSpec, roots: Roots) -> Iterator[Row]:
    """The converted rows of a file below the data root, of an uploaded file, or of a hub data set."""
    if data.is_on_hub:
        return read_hub_rows(data)
    return read_rows(source_path(data, roots), data.format, data.rows)


def source_path(data: DatasetSpec, roots: Roots) -> Path:
    """The file that the rows are in, on this machine."""
    if data.file_id is None:
        return confined(Path(roots.data_root), data.source, "data.source")
    return stored_path(Path(roots.files_root), data.file_id)


def _with_unfitting_tools(chat: Row, lenders: list[Row], rng: random.Random) -> Row:
    """The chat row with the tools of a row whose tool names and descriptions share no word with its question."""
    asked = _words(" ".join(m["content"] for m in chat.messages if m["role"] == "user"))
    for _ in range(50):
        tools = rng.choice(lenders).tools or []
        named = _words(" ".join(f"{t['function']['name']} {t['function']['description']}" for t in tools))
        if tools and not asked & named:
            return replace(chat, tools=tools, kind="no_call")
    return chat


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]{4,}", text.lower().replace("_", " ")))
