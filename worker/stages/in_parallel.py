"""Chunks tokenised by this process and, where there are many, by further ones beside it.

The result depends on the rows alone, not on the number of processes or on who was faster.  This process goes on by
itself while the libraries of the others load, and takes a chunk whenever the others have enough in hand: each row that
it does itself need not travel.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain
from multiprocessing import forkserver, get_context, parent_process

from core.errors import ServiceError
from worker.stages.run_dir import Exit, StageFailure
from worker.stages.tokenising import Batch, Chunk, Task, Tokenising

CHECKED_CHUNKS = 8
PARITY_ROWS = 64
"""So many rows of the first chunks are checked to be prompted in training as they will be in serving."""
WARM_UP_CHUNK = 4
LOADING_S = 1.5
"""From this chunk on, the libraries of further processes load; after about so long those can begin."""
IN_HAND, WAITING = 2, 8
"""Chunks for each process: those given to it, and those that may be done before the one that is next in order."""
_START_METHOD = "forkserver"


def tokenised(chunks: Iterator[Chunk], task: Task, processes: int) -> Iterator[Batch]:
    """All chunks as batches, in order.  An error is that of the first row that has one."""
    here, ready_at = Tokenising(task, PARITY_ROWS), float("inf")
    for number, chunk in enumerate(chunks):
        if number == WARM_UP_CHUNK and processes > 1:
            _load_ahead()
            ready_at = time.monotonic() + LOADING_S
        if number == CHECKED_CHUNKS:
            here.unchecked = 0  # nor do the others check any
        if number >= CHECKED_CHUNKS and time.monotonic() >= ready_at:
            yield from _with_others(chain([chunk], chunks), here, task, processes - 1)
            return
        yield here(chunk)


def _with_others(chunks: Iterator[Chunk], here: Tokenising, task: Task, others: int) -> Iterator[Batch]:
    """The batches in the order of the chunks, of which a few more are read than there are processes."""
    os.putenv("TOKENIZERS_PARALLELISM", "false")  # there are as many processes as cores
    waiting: deque[Future[Batch]] = deque()
    pool = ProcessPoolExecutor(others, get_context(_START_METHOD), _start, (task,))
    try:
        while True:
            chunk, error = _next(chunks)
            if chunk is not None:
                is_theirs = sum(not batch.done() for batch in waiting) < IN_HAND * others
                waiting.append(pool.submit(_work, chunk) if is_theirs else _done(here, chunk))
            while waiting and (chunk is None or waiting[0].done() or len(waiting) > WAITING * (others + 1)):
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


def _done(here: Tokenising, chunk: Chunk) -> "Future[Batch]":
    """What became of a chunk in this process; an error waits for its turn."""
    done: Future[Batch] = Future()
    try:
        done.set_result(here(chunk))
    except (ServiceError, StageFailure) as error:
        done.set_exception(error)
    return done


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
    os.putenv("TOKENIZERS_PARALLELISM", "false")
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
