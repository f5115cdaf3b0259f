"""The rows of a stage: its own, some chat rows with tools that do not fit (so that it learns when NOT to call),
and some plain chat rows of the stage before (so that it does not forget).

Deterministic from the seed, and in constant memory: where rows are chosen among, they lie in a temporary file.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from core.errors import BadData
from core.preparation import Kind
from core.rows import Row, joined
from worker.stages.run_dir import StageRun
from worker.stages.sources import RawChunk, Source
from worker.stages.spool import Spool
from worker.stages.tool_prompt import as_prompted
from worker.stages.unfitting import LENDERS, Lenders, question_of

CHUNK_ROWS = 64


@dataclass(frozen=True)
class RowChunk:
    """Rows that follow one another in the training data, with what each is there for."""

    rows: list[tuple[Kind, Row]]


class Mixture:
    """The training rows of a stage, in a fixed order (the trainer shuffles); they can be read once."""

    def __init__(self, run: StageRun, folder: Path | None = None) -> None:
        """`folder` is where the temporary file goes, if one is needed."""
        self.run, self.folder = run, folder
        self.own = Source(run.stage.data, run, run.rows_held_out(run.stage.data))
        self.is_mixed = run.replay is not None and run.stage.no_call_fraction + run.stage.replay_fraction > 0
        self.no_call_unfilled = 0
        """No-call rows that became plain chat rows so far, as every lender's tools fit their question."""

    def chunks(self) -> Iterator[RowChunk | RawChunk]:
        """All rows; as they stand in the source, where none has to be seen to know what becomes of another."""
        if not self.is_mixed and self.run.stage.join_rows == 1:
            yield from self.own.chunks(CHUNK_ROWS)
            return
        rows = self.rows()
        while chunk := list(islice(rows, CHUNK_ROWS)):
            yield RowChunk(chunk)

    def rows(self) -> Iterator[tuple[Kind, Row]]:
        """All rows, converted."""
        own = joined(self.own.rows(), self.run.stage.join_rows)
        if not self.is_mixed or self.run.replay is None:
            for row in own:
                yield "own", row
            return
        with Spool(self.folder) as kept, Spool(self.folder) as chat:
            kept.extend(own)
            replay = Source(self.run.replay, self.run, self.run.rows_held_out(self.run.replay))
            chat.extend(row for row in replay.rows() if not row.tools)
            yield from self._mixed(kept, chat)

    def _mixed(self, own: Spool, chat: Spool) -> Iterator[tuple[Kind, Row]]:
        stage, rng = self.run.stage, random.Random(self.run.seed)
        no_call, replayed = round(len(own) * stage.no_call_fraction), round(len(own) * stage.replay_fraction)
        if len(chat) < no_call + replayed:
            raise BadData(
                f"stage {stage.name}: no_call_fraction and replay_fraction ask for {no_call + replayed} chat rows, and "
                f"the stage before has {len(chat)}; lower the fractions"
            )
        kept = len(own) - no_call - replayed
        for row in own.first(kept):
            yield "own", row
        chosen = rng.sample(range(len(chat)), no_call + replayed)
        lenders = Lenders(own[n].tools or [] for n in sorted(rng.sample(range(kept), min(kept, LENDERS))))
        for number in chosen[:no_call]:
            yield self._with_unfitting_tools(chat[number], lenders, rng)
        for number in chosen[no_call:]:
            yield "replay", chat[number]

    def _with_unfitting_tools(self, chat: Row, lenders: Lenders, rng: random.Random) -> tuple[Kind, Row]:
        tools = lenders.unfitting(question_of(chat), rng)
        if tools is None:
            self.no_call_unfilled += 1
            return "replay", chat
        return "no_call", replace(chat, tools=tools, kind="no_call")


def stage_rows(run: StageRun) -> Iterator[Row]:
    """All training rows of the stage, as they are prompted."""
    return (as_prompted(row, run.stage.tool_prompt) for _, row in Mixture(run).rows())
