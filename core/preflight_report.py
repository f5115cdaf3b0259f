"""The report of a preflight: what a job comes to in rows, weights, memory, time and money, and what to beware of.

A figure that cannot be known here is null and never a guess; `source` and `basis` say what a figure was made from.
"""

from pydantic import BaseModel, ConfigDict, Field

from core.job_warnings import JobWarning
from core.memory import Backend
from core.preparation import Preparation


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class MemoryParts(_Frozen):
    """What takes the memory, in GiB."""

    weights: float
    adapter: float
    gradients: float
    optimizer: float
    activations: float
    logits: float
    overhead: float


class MemoryReport(_Frozen):
    """The peak of one stage on one backend, in GiB."""

    backend: Backend
    parts_gb: MemoryParts
    total_gb: float
    rows: int = Field(description="of the largest micro-batch")
    longest: int = Field(description="tokens that each of its rows is padded to")
    basis: str = Field(description="whether the longest row was measured, or is the most that the spec allows")


class StageReport(_Frozen):
    """What one stage comes to."""

    name: str
    preparation: Preparation | None = Field(description="counts of its rows; null where they could not be prepared")
    masked_tokens: int | None = Field(description="tokens that are read and not learned")
    steps: int | None
    trainable_parameters: int | None = Field(description="exact; null where the model's sizes are not known")
    memory: list[MemoryReport] = Field(description="one for each backend; empty where the model is not known")


class Verdict(_Frozen):
    """Whether the job fits a worker, or a common card."""

    name: str
    memory_gb: float
    backend: Backend
    needed_gb: float
    fits: bool
    changes: list[str] = Field(description="what to change where it does not fit, stage by stage")


class TimeReport(_Frozen):
    """How long the job takes on a device, at best and at worst, from its start to its end."""

    device: str
    seconds: tuple[int, int] | None = Field(description="null where no speed of this device is known")
    source: str
    gpu_hours: tuple[float, float] | None
    cost: tuple[float, float] | None = Field(description="at the configured price; null without one")


class Report(_Frozen):
    """What the job comes to."""

    base_parameters: int | None = Field(description="weights of the base model; null where its sizes are not known")
    architecture_source: str | None
    stages: list[StageReport]
    total_steps: int | None
    workers: list[Verdict] = Field(description="those that are there now")
    cards: list[Verdict]
    times: list[TimeReport] = Field(description="of each device that a worker has, or of reference cards without any")
    price_per_gpu_hour: float | None
    currency: str
    warnings: list[JobWarning]
