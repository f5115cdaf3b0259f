"""Jobs whose prepared rows a server is asked about."""

from collections.abc import Iterable
from typing import Any

from core import parity
from core.parity import Question
from core.rows import Row
from core.storage import stage_dir
from tests.core.sessions import new_job
from tests.inference import checkpoints
from worker.stages.parity import sample
from worker.stages.render import load_tokenizer

STAGE = "chat"
ASKS: dict[str, Any] = {"role": "user", "content": "Do it"}
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"x": {"type": "string"}}}
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {"name": "f", "description": "Does it.", "parameters": SCHEMA},
}


def call(**arguments: Any) -> dict[str, Any]:
    """A message that calls `f`."""
    return {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": arguments}}]}


def calling(**arguments: Any) -> Row:
    """A row that is answered with a call of `f`; the call of a text with `</tool_call>` in it cannot be read back."""
    return Row([ASKS, call(**arguments)], [TOOL])


def stage_of(questions: Iterable[Question]) -> str:
    """The id of a job whose stage has prepared rows with these questions."""
    job_id = new_job()
    parity.save(stage_dir(job_id, STAGE) / "run-1", list(questions))
    return job_id


def trained_on(*rows: Row) -> str:
    """The id of a job whose stage has prepared these rows for the tiny base."""
    return stage_of(sample(load_tokenizer(str(checkpoints.BASE)), rows, 512))
