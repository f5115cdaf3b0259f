"""Chunks of rows as token ids, with what has to be counted of every row."""

from array import array
from dataclasses import dataclass, field
from hashlib import blake2b

from core.preparation import DropReason, Kind
from core.rows import Problem, Row
from core.spec import TooLong, ToolPrompt
from worker.stages.mix import RowChunk
from worker.stages.overlap import overlaps
from worker.stages.render import Rendered, Renderer, Tokens, check_parity, load_tokenizer
from worker.stages.sources import RawChunk
from worker.stages.tool_prompt import as_prompted
from worker.stages.truncate import cut_left

Chunk = RowChunk | RawChunk


@dataclass(frozen=True)
class Task:
    """What is asked for of every row."""

    tokenizer: str
    max_seq_length: int
    too_long: TooLong
    tool_prompt: ToolPrompt
    evaluated: frozenset[int]
    """Keys of the questions that the model will be evaluated on."""


@dataclass(frozen=True)
class Outcome:
    """What became of one row."""

    kind: Kind
    origin: str
    length: int
    trained_tokens: int
    dropped: DropReason | None = None
    is_cut: bool = False
    stops: bool = True
    overlaps: bool = False
    digest: int = 0
    """Of its ids and labels, in 64 bits."""
    is_checked: bool = False


@dataclass(frozen=True)
class Batch:
    """The rows of a chunk: of those that are kept, `ids` and `labels` one after the other."""

    outcomes: list[Outcome]
    ids: "array[int]"
    labels: "array[int]"
    raw_rows: int = 0
    """Rows of a raw chunk, of which these are the bad ones; they have no outcome."""
    problems: list[Problem] = field(default_factory=list)


class Tokenising:
    """Turns chunks into batches."""

    def __init__(self, task: Task, parity_rows: int = 0) -> None:
        self.task, self.unchecked = task, parity_rows
        self.renderer = Renderer(load_tokenizer(task.tokenizer))

    def __call__(self, chunk: Chunk) -> Batch:
        """The chunk as a batch; BadData at its first row that cannot be rendered."""
        if isinstance(chunk, RawChunk):
            converted = chunk.converted()
            rows: list[tuple[Kind, Row]] = [("own", row) for row in converted.rows]
            batch = Batch([], array("i"), array("i"), len(chunk.rows), converted.problems)
        else:
            rows, batch = chunk.rows, Batch([], array("i"), array("i"))
        prompted = [as_prompted(row, self.task.tool_prompt) for _, row in rows]
        rendered = self.renderer.render(prompted)
        for (kind, _), row, each in zip(rows, prompted, rendered, strict=True):
            self._add(batch, kind, row, each)
        return batch

    def _add(self, batch: Batch, kind: Kind, row: Row, rendered: Rendered) -> None:
        limit = self.task.max_seq_length
        is_long = len(rendered.ids) > limit
        cut = cut_left(self.renderer, row, limit) if is_long and self.task.too_long == "cut_left" else None
        row, kept = cut or (row, rendered)
        length, trained = len(kept.ids), kept.trained_tokens
        if not trained or length > limit:
            reason: DropReason = "too_long" if trained else "nothing_trained"
            batch.outcomes.append(Outcome(kind, row.origin, length, trained, dropped=reason))
            return
        labels, is_checked = kept.labels, self.unchecked > 0
        if is_checked:
            check_parity(self.renderer.tokenizer, row, Tokens(kept.ids.tolist(), labels.tolist()))
            self.unchecked -= 1
        digest = blake2b(kept.ids.tobytes() + labels.tobytes(), digest_size=8).digest()
        batch.ids.extend(kept.ids)
        batch.labels.extend(labels)
        batch.outcomes.append(
            Outcome(
                kind,
                row.origin,
                length,
                trained,
                is_cut=cut is not None,
                stops=self.renderer.stops(kept),
                overlaps=bool(self.task.evaluated) and overlaps(row, self.task.evaluated),
                digest=int.from_bytes(digest),
                is_checked=is_checked,
            )
        )
