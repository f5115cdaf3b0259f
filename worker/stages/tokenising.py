"""Chunks of rows as token ids, with what has to be counted of every row; in this process or in several.

The result depends on the rows alone, not on the number of processes or on who was faster.  The first chunks are always
done here: only many rows are worth the second that a further process needs to start.
"""

import os
import threading
from array import array
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import chain, islice
from multiprocessing import forkserver, get_context, parent_process

from core.errors import ServiceError
from core.preparation import DropReason, Kind
from core.rows import Problem, Row
from core.spec import TooLong, ToolPrompt
from worker.stages.mix import RowChunk
from worker.stages.overlap import overlaps
from worker.stages.render import Rendered, Renderer, Tokens, check_parity, load_tokenizer
from worker.stages.run_dir import Exit, StageFailure
from worker.stages.sources import RawChunk
from worker.stages.tool_prompt import as_prompted
from worker.stages.truncate import cut_left

Chunk = RowChunk | RawChunk
WARM_UP_CHUNK, FIRST_CHUNKS = 4, 24
"""Before this one the further processes' libraries begin to load; after so many, those processes begin to work."""
_START_METHOD = "forkserver"
PARITY_ROWS = 64
"""So many of the first rows are checked to be prompted in training as they will be in serving."""


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


def tokenised(chunks: Iterator[Chunk], task: Task, processes: int) -> Iterator[Batch]:
    """All chunks as batches, in order.  An error is that of the first row that has one."""
    here = Tokenising(task, PARITY_ROWS)
    for number, chunk in enumerate(islice(chunks, FIRST_CHUNKS if processes > 1 else None)):
        if number == WARM_UP_CHUNK and processes > 1:
            _load_ahead()
        yield here(chunk)
    for chunk in chunks:
        yield from _by_processes(chain([chunk], chunks), task, processes)


def _by_processes(chunks: Iterator[Chunk], task: Task, processes: int) -> Iterator[Batch]:
    """The batches in the order of the chunks, of which a few more are read than processes are at work."""
    waiting: deque[Future[Batch]] = deque()
    pool = ProcessPoolExecutor(processes, get_context(_START_METHOD), _start, (task,))
    try:
        while True:
            chunk, error = _next(chunks)
            if chunk is not None:
                waiting.append(pool.submit(_work, chunk))
            while waiting and (chunk is None or len(waiting) > 2 * processes):
                yield waiting.popleft().result()
            if error is not None:
                raise error
            if chunk is None:
                return
    except BrokenProcessPool as broken:
        message = "a process that tokenises rows was killed, most likely as memory ran out; use a larger worker"
        raise StageFailure(Exit.OUT_OF_MEMORY, "out_of_memory", message) from broken
    finally:
        pool.shutdown(cancel_futures=True)


def _load_ahead() -> None:
    """Load the libraries of the further processes, once for all of them, in a process that they are forked from.

    They are not forked from this one: a copy of a process with threads may wait for ever for one that it lacks.
    """
    get_context(_START_METHOD).set_forkserver_preload(["worker.stages.without_torch", __name__])
    forkserver.ensure_running()


def _next(chunks: Iterator[Chunk]) -> tuple[Chunk | None, Exception | None]:
    """The next chunk, or what is wrong with its rows: said once the rows before are known to be good."""
    try:
        return next(chunks, None), None
    except (ServiceError, StageFailure, OSError) as error:
        return None, error


_tokenising: Tokenising | None = None
"""Of a process that works for another one."""


def _start(task: Task) -> None:
    global _tokenising
    threading.Thread(target=_end_with_program, daemon=True).start()
    os.putenv("TOKENIZERS_PARALLELISM", "false")  # there are as many processes as cores
    _tokenising = Tokenising(task)


def _end_with_program() -> None:
    """Wait until the program that this process works for is gone, and end; it may have been killed.

    The kernel's own signal would come with the end of the server that this was forked from, which waits for this one.
    """
    program = parent_process()
    assert program is not None
    program.join()
    os._exit(1)


def _work(chunk: Chunk) -> Batch:
    assert _tokenising is not None
    return _tokenising(chunk)
