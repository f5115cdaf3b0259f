"""Parity: whether a server makes of a request what training made of the row.  The questions, and the record of a check.

A question is one trained answer: the request that a client would send for it, the token ids that training showed in
front of it, its own ids, and the calls that it makes.  `prepare` keeps some of them in the stage's run directory.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field

from core.job_files import run_dir
from core.storage import read_json, stage_dir, write_json

FILE = "parity_rows.json"
Kind = Literal["single", "parallel", "multi_turn", "none", "chat"]
"""Of the answer: one call; several; after earlier calls; none though tools are offered; no tools at all."""
What = Literal["prompt", "calls", "streamed_calls", "stop"]
"""What differs."""


class Question(BaseModel):
    """A trained answer and its request in OpenAI's wire form."""

    row: str
    """Where the row comes from, as messages name it."""
    kind: Kind
    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]] | None
    prompt_ids: list[int]
    answer_ids: list[int]
    """Up to and with the token that ends the answer."""
    calls: list[dict[str, Any]]
    """Each with `name` and `arguments`, an object."""


class KindCount(BaseModel):
    """Questions of one kind."""

    rows: int = 0
    equal: int = 0


class Mismatch(BaseModel):
    """The first row that is served otherwise than it was trained."""

    row: str
    kind: Kind | None = None
    what: What
    message: str


class ParityRecord(BaseModel):
    """What a check found; kept with the model."""

    checked: bool
    why: str | None = Field(None, description="why it was not checked")
    served: str | None = Field(None, description="the model that vLLM served then: this one, or one of its tokenizer")
    rows: int = Field(0, description="trained answers that were compared")
    equal: int = 0
    too_long: int = Field(0, description="not compared: longer than what vLLM was started to take")
    kinds: dict[Kind, KindCount] = {}
    end_ids: list[int] = Field([], description="the tokens that end the trained answers")
    stop_ids: list[int] | None = Field(None, description="where vLLM stops by generation_config.json; null: not looked")
    parser: str | None = None
    vllm: str | None = None
    tokenizer: dict[str, str] = Field({}, description="sha256 of what vLLM made its prompts with, by file")
    mismatch: Mismatch | None = None

    def failure(self) -> str | None:
        """What to tell about a mismatch; None when there is none."""
        if (found := self.mismatch) is None:
            return None
        counts = f"{self.equal} of {self.rows} sampled answers are served as they were trained"
        return f"{counts}; {found.row}: {found.message}"


def not_checked(why: str) -> ParityRecord:
    """The record of a model that vLLM has yet to be asked about."""
    return ParityRecord(checked=False, why=why)


def save(folder: Path, questions: list[Question]) -> None:
    """Write the questions of a stage into its run directory."""
    write_json(folder / FILE, [question.model_dump(mode="json") for question in questions])


def load(folder: Path) -> list[Question]:
    """The questions in a run directory; none where a version wrote it that kept none."""
    file = folder / FILE
    return [Question.model_validate(each) for each in read_json(file)] if file.exists() else []


def questions_of(job_id: str, stage: str) -> list[Question]:
    """Those of a stage, from its newest run directory."""
    return load(run_dir(stage_dir(job_id, stage)))
