"""`manifest.json` beside a merged model: all that it was made of and with, so that it can be checked, and made again.

It is written once, with the model, and never changes; how well the model does is in `evaluation.json` beside it.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from core.health import Health


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class SourceRecord(_Frozen):
    """What a data set held when it was read."""

    source: str
    sha256: str | None = Field(None, description="of the file; null when it changed while it was read, or is no file")
    size_bytes: int | None = None
    revision: str | None = Field(None, description="commit of a hub data set")


class RowCounts(_Frozen):
    """What became of the stage's rows (`core.preparation.Preparation`, without the places)."""

    rows_in: int
    rows: int
    dropped: dict[str, int]
    cut: int
    duplicates: int
    overlap: int
    kinds: dict[str, int]
    tokens: int
    trained_tokens: int
    longest: int


class Base(_Frozen):
    """The model that the job's first stage started from."""

    name: str = Field(description="as the job named it")
    id: str = Field(description="with a digest of its config, its tokenizer and a sample of every tensor")
    revision: str | None = Field(description="commit of a hub model")
    license: str | None = Field(description="as its own card has it; null where that does not say")
    tokenizer_sha256: str
    template_sha256: str = Field(description="of the chat template")


class Parent(_Frozen):
    """The model that the stage started from, where that is not the base."""

    model: str
    manifest_sha256: str


class Training(_Frozen):
    """The stage's training, over all runs that it took."""

    steps: int
    train_s: float = Field(description="seconds of all logged steps")
    tokens: int
    device: dict[str, Any] = Field(description="what it ran on, and what that changed")
    health: Health


class Software(_Frozen):
    """What made the model."""

    python: str
    packages: dict[str, str] = Field(description="versions")
    lock_files: dict[str, str] = Field(description="sha256 of each file in requirements/")


class AdapterFiles(_Frozen):
    """The adapters of all stages so far as one, in `adapter/`."""

    rank: int
    files: dict[str, str]


class Manifest(_Frozen):
    """What a merged model is, what it was made of, and with what."""

    model: str
    job_id: str
    stage: str
    created_at: int = Field(description="Unix seconds")
    base: Base
    parent: Parent | None
    data: tuple[SourceRecord, ...] = Field(description="of the stage and of the evaluation, each source once")
    rows: RowCounts
    spec: dict[str, Any] = Field(description="the JobSpec")
    stage_spec: dict[str, Any] = Field(description="the stage as it was run: with what a lack of memory changed")
    seed: int
    training: Training
    software: Software
    merged_tensors: int
    stop_token_ids: list[int]
    files: dict[str, str] = Field(description="sha256 of each file, but for README.md and evaluation.json")
    adapter: AdapterFiles | None
