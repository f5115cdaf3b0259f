"""The job that a user asks for.  Every default is the recipe; unknown keys are refused.

`JobSpec(base_model="Qwen/Qwen2.5-3B")` is the whole recipe: stage `chat` on 50,000 rows of UltraChat, then stage
`tools` on 60,000 rows of xlam, as QLoRA with r=16 over a 4-bit base.
"""

import math
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from core.significance import wilson

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
SUFFIX_LENGTH = 64
Suffix = Annotated[str, StringConstraints(pattern=rf"^[A-Za-z0-9][A-Za-z0-9_.-]{{0,{SUFFIX_LENGTH - 1}}}$")]
MetadataKey = Annotated[str, StringConstraints(min_length=1, max_length=64)]
MetadataValue = Annotated[str, StringConstraints(max_length=512)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
RowFormat = Literal["auto", "ultrachat", "xlam", "openai", "sharegpt", "alpaca"]
SuiteFormat = Literal["auto", "bfcl", "ultrachat", "xlam", "openai", "sharegpt", "alpaca"]
ToolPrompt = Literal["template", "system"]
TooLong = Literal["refuse", "drop", "cut_left"]
FILE_ID = re.compile(r"file-[A-Za-z0-9]+")
HELD_OUT = "tools"
"""The suite of the job's own held-out rows."""
LORA_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class Spec(BaseModel):
    """Frozen, and strict about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _text_can_be_stored(cls, value: Any) -> Any:
        """Postgres' text and file names cannot hold the NUL character."""
        texts = [*value, *value.values()] if isinstance(value, dict) else [value]
        if any(isinstance(text, str) and "\0" in text for text in texts):
            raise ValueError("holds a NUL character (\\u0000), which cannot be stored: remove it")
        return value


class SourceSpec(Spec):
    """Where rows come from: a file below DATA_ROOT, an uploaded file, or a data set of the public hub."""

    source: str = Field(
        min_length=1,
        max_length=500,
        description="path below DATA_ROOT, `file-…` of an uploaded file, or `owner/name` on the hub",
    )
    split: str = Field("train", max_length=100, description="of a hub data set")
    revision: str | None = Field(None, max_length=100, description="commit of a hub data set")
    sha256: Sha256 | None = Field(None, description="what the file must hold: the job is refused when it has changed")
    rows: int | None = Field(None, ge=1, description="use the first so many rows; all when absent")
    on_bad_row: Literal["refuse", "drop"] = Field(
        "refuse", description="refuse: one row that cannot be used refuses the job; drop: it is left out, and counted"
    )

    @model_validator(mode="after")
    def _has_the_pin_of_its_kind(self) -> "SourceSpec":
        if self.is_on_hub and self.sha256 is not None:
            raise ValueError(f"{self.source} is a data set of the hub: pin it by `revision`, sha256 is of a file")
        return self

    @property
    def is_file(self) -> bool:
        """Whether the source names a file; hub names have no suffix."""
        return self.source.endswith((".jsonl", ".json", ".parquet", ".jsonl.gz", ".json.gz"))

    @property
    def file_id(self) -> str | None:
        """The id of the uploaded file that the source names."""
        return self.source if FILE_ID.fullmatch(self.source) else None

    @property
    def is_on_hub(self) -> bool:
        """Whether the rows come from the hub."""
        return not self.is_file and self.file_id is None


class DatasetSpec(SourceSpec):
    """Rows of one data set."""

    format: RowFormat = Field("auto", description="form of a row; detected when `auto`")


class HeldOut(Spec):
    """The last `rows` rows of a data set, of those that are used: no stage trains on them."""

    data: DatasetSpec
    rows: int

    def of(self, data: DatasetSpec) -> int:
        """How many rows at the end of this data set are held out."""
        return self.rows if data == self.data else 0


class SuiteSpec(SourceSpec):
    """Rows that a model is asked, with what it should answer: the last message of each, or accepted values beside."""

    format: SuiteFormat = Field("auto", description="form of a row; detected when `auto`")
    accepted: str | None = Field(
        None,
        min_length=1,
        max_length=500,
        description="of a BFCL file: path below DATA_ROOT of its accepted answers; without, no call is right",
    )

    @model_validator(mode="after")
    def _only_the_leaderboard_has_accepted_answers(self) -> "SuiteSpec":
        if self.accepted is not None and self.format not in ("auto", "bfcl"):
            raise ValueError(f"format is {self.format!r}, whose rows hold their answers themselves: leave out accepted")
        if self.is_on_hub and (self.format == "bfcl" or self.accepted is not None):
            raise ValueError("a BFCL suite is read from a file: put it and its accepted answers below DATA_ROOT")
        return self


class LoraSpec(Spec):
    r: int = Field(16, ge=1, le=512)
    alpha: int = Field(16, ge=1, le=4096)
    dropout: float = Field(0.0, ge=0, lt=1)
    target_modules: tuple[Name, ...] = Field(LORA_TARGETS, min_length=1)


class StageSpec(Spec):
    """One QLoRA fine-tune: data, adapter, optimiser."""

    name: Name
    data: DatasetSpec
    lora: LoraSpec = LoraSpec()
    load_in_4bit: bool = True
    batch_size: int = Field(4, ge=1, le=1024, description="rows per forward pass")
    gradient_accumulation_steps: int = Field(4, ge=1, le=4096)
    learning_rate: float = Field(2e-4, gt=0, le=1)
    warmup_steps: int = Field(100, ge=0)
    lr_scheduler: Literal["cosine", "linear", "constant"] = "cosine"
    optimizer: Literal["adamw_8bit", "adamw_torch"] = "adamw_8bit"
    weight_decay: float = Field(0.0, ge=0)
    epochs: int = Field(1, ge=1, le=100)
    max_steps: int | None = Field(None, ge=1, description="stop after so many optimiser steps, if sooner")
    max_seq_length: int = Field(2048, ge=16, le=1_048_576, description="tokens of the longest row")
    too_long: TooLong = Field(
        "drop",
        description="what becomes of longer rows: the job is refused, or they are dropped, or cut from the left by "
        "whole turns, where the system prompt, the tools and the last answer stay; each is counted",
    )
    packing: bool | Literal["auto"] = Field(
        "auto",
        description="whether a micro-batch is one sequence of its rows, kept apart, instead of rows that are padded; "
        "auto: what the GPU is faster with; never on a CPU",
    )
    tool_prompt: ToolPrompt = Field(
        "template",
        description="how tools are offered: by the model's chat template, or as JSON text in the system prompt",
    )
    checkpoint_every_steps: int = Field(100, ge=1)
    join_rows: int = Field(
        1, ge=1, le=64, description="up to so many rows in a row that offer the same tools become one conversation"
    )
    no_call_fraction: float = Field(
        0.0, ge=0, lt=1, description="share of the rows that are chat rows of the stage before, with unfitting tools"
    )
    replay_fraction: float = Field(
        0.0, ge=0, lt=1, description="share of the rows that are plain chat rows of the stage before"
    )

    @property
    def effective_batch(self) -> int:
        """Rows per optimiser step."""
        return self.batch_size * self.gradient_accumulation_steps

    def steps(self, rows: int) -> int:
        """Optimiser steps over `rows` training rows, as the trainer counts them."""
        batches = math.ceil(rows / self.batch_size)
        total = math.ceil(batches / self.gradient_accumulation_steps) * self.epochs
        return total if self.max_steps is None else min(total, self.max_steps)


class JudgeSpec(Spec):
    """A model that compares the chat answers of each new model with those of the one before, in both orders."""

    base_url: str | None = Field(
        None, max_length=500, description="of an OpenAI-compatible endpoint, with /v1; TUNESMITH_JUDGE_URL when absent"
    )
    model: str = Field(min_length=1, max_length=200, description="as that endpoint calls it")
    rows: int = Field(50, ge=1, le=2000, description="held-out chat rows whose answers it compares, from the first on")
    max_tokens: int = Field(16, ge=1, le=16_384, description="of its reply; one that thinks first needs more")

    @field_validator("base_url")
    @classmethod
    def _url_is_plain(cls, value: str | None) -> str | None:
        if value is None:
            return value
        try:
            url = urlsplit(value)
            is_sound = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
        except ValueError:
            is_sound = False
        if not is_sound:
            raise ValueError("is no http:// or https:// URL: give the one that the OpenAI SDK would take as base_url")
        if "@" in url.netloc or url.query or url.fragment:
            raise ValueError("holds a password or a query: a spec is no place for a key; set TUNESMITH_JUDGE_API_KEY")
        return value


class EvaluationSpec(Spec):
    """What each model of the job is measured on, through the served endpoint."""

    base: bool = Field(True, description="measure the base model too, when nothing else is live on the alias")
    tools: DatasetSpec | None = Field(None, description="held-out function-calling rows: the suite `tools`")
    hold_out_rows: int = Field(
        0,
        ge=0,
        le=10_000,
        description="instead of `tools`: the last so many rows of the last stage's data are never trained on, and are "
        "the suite `tools`",
    )
    suites: dict[Name, SuiteSpec] = Field(
        default_factory=dict, max_length=16, description="further suites, each scored on its own"
    )
    chat: DatasetSpec | None = Field(None, description="held-out chat rows, for the loss and the stop rate")
    judge: JudgeSpec | None = Field(None, description="compares chat answers; never needed, and never fails a job")
    speed: bool = Field(True, description="measure how fast the model is served: a few seconds")
    max_tokens: int = Field(192, ge=1, le=8192, description="longest answer; one that reaches it did not stop")
    concurrency: int = Field(16, ge=1, le=256)

    @model_validator(mode="after")
    def _judge_has_answers(self) -> "EvaluationSpec":
        if self.judge is not None and self.chat is None:
            raise ValueError("judge compares the answers to held-out chat rows: give `chat` too, or leave it out")
        return self

    @model_validator(mode="after")
    def _suites_have_names_of_their_own(self) -> "EvaluationSpec":
        if HELD_OUT in self.suites:
            raise ValueError(f"a suite cannot be called {HELD_OUT!r}: that is evaluation.tools; give it another name")
        if self.hold_out_rows and self.tools is not None:
            raise ValueError("tools and hold_out_rows both name the held-out rows: leave out one of them")
        return self

    def named_suites(self) -> dict[str, SuiteSpec]:
        """Every suite by its name; the first one's figures are the headline."""
        held_out = {} if self.tools is None else {HELD_OUT: SuiteSpec.model_validate(self.tools.model_dump())}
        return {**held_out, **self.suites}

    def suite_names(self) -> list[str]:
        """The suites whose answers are graded, the held-out one first."""
        return [*([HELD_OUT] if self.tools is not None or self.hold_out_rows else []), *self.suites]

    def rows_of(self, suite: str) -> int | None:
        """How many rows the suite has at most, where the spec says so."""
        if suite != HELD_OUT:
            return self.suites[suite].rows
        return self.hold_out_rows or (None if self.tools is None else self.tools.rows)

    def sources(self) -> Iterator[SourceSpec]:
        """Everything that the models are measured on."""
        yield from (data for data in (self.tools, self.chat) if data is not None)
        yield from self.suites.values()


class DrainSpec(Spec):
    """How a new model waits for the answers that are under way, while new requests are held back."""

    timeout_s: float | None = Field(
        None, gt=0, le=86_400, description="longest wait; TUNESMITH_DRAIN_TIMEOUT_S when absent"
    )
    on_timeout: Literal["wait", "blue_green", "fail"] = Field(
        "wait",
        description="when answers still run then: wait for their end (which the endpoint's time limit bounds), let "
        "them end on the old weights while a second vLLM takes the new requests, or keep the old model",
    )


class SplitSpec(Spec):
    """A trial: a share of the alias's requests goes to the new model, which then takes all of them or none."""

    percent: int = Field(10, ge=1, le=99, description="of the alias's requests")
    min_requests: int = Field(100, ge=1, description="answers of the new model before it may take all requests")
    max_s: float = Field(3600, gt=0, le=7 * 86_400, description="then it is judged by what there is")
    max_error_rate: float = Field(0.02, ge=0, le=1, description="how far its share of errors may exceed the old one's")
    max_latency_ratio: float = Field(1.5, ge=1, description="of its median time to first token by the old one's")
    check_share: float = Field(0.1, ge=0, le=1, description="of its answers to requests with tools that are checked")
    max_bad_calls: float = Field(0.05, ge=0, le=1, description="share of those that call what was not offered")


SuiteMetric = Literal[
    "function_name_accuracy",
    "function_name_and_args_accuracy",
    "lenient_function_name_and_args_accuracy",
    "no_call_accuracy",
    "no_call_precision",
    "stop_rate",
]


class FloorSpec(Spec):
    """The least that a metric of a suite must be.  The lower end of its 95% interval counts: few rows prove little."""

    suite: Name = HELD_OUT
    metric: SuiteMetric = "function_name_and_args_accuracy"
    low: float = Field(gt=0, lt=1, description="of the interval's lower end, which no number of rows brings to 1")


class ConditionsSpec(Spec):
    """What must hold for one model."""

    floors: tuple[FloorSpec, ...] = Field((), max_length=32)
    max_chat_loss_rise: float | None = Field(
        None, ge=0, description="nats a token that the held-out chat loss may be above that of the stage before"
    )
    no_regression: bool = Field(
        False, description="not worse than what is live on the rows that both answered: one-sided McNemar test at 5%"
    )
    not_comparable: Literal["fail", "pass"] = Field(
        "fail", description="what `no_regression` does when what is live answered none of the rows and cannot be asked"
    )

    @property
    def ask_for_something(self) -> bool:
        """Whether there is a condition that can fail."""
        return bool(self.floors) or self.max_chat_loss_rise is not None or self.no_regression


class GateSpec(ConditionsSpec):
    """What must hold before a model goes live: its own conditions for the job's last model, `stages` for earlier ones.

    With a gate, an earlier stage's model that has no conditions of its own is measured, and goes live only where
    nothing else is.
    """

    stages: dict[Name, ConditionsSpec] = Field(default_factory=dict, max_length=8)


ServeAs = Literal["merged", "adapter"]


class DeploySpec(Spec):
    """Which models go live on the endpoint, how they are served, and how one takes the place of another."""

    when: Literal["each_stage", "last_stage", "never"] = "each_stage"
    serve_as: ServeAs = Field(
        "merged", description="merged: its weights replace those served; adapter: beside others on the served base"
    )
    drain: DrainSpec = DrainSpec()
    gate: GateSpec | None = Field(None, description="what must hold before a model goes live; nothing when absent")
    split: SplitSpec | None = Field(None, description="try it on a share of the requests first; not when absent")


class KeepSpec(Spec):
    """What stays on disk once it is not needed; what is deployed or may be resumed stays whatever is said here."""

    checkpoints: int = Field(2, ge=0, le=2, description="of a stage that has ended; while it trains there are two")
    adapters: bool = Field(True, description="false: they go when the job has succeeded")
    merged: Literal["all", "last"] = Field(
        "all", description="last: the earlier stages' merged models go when the job has succeeded"
    )
    days: int | None = Field(
        None, ge=1, le=36_500, description="all that the job has on disk goes so long after its end; never when absent"
    )


def _recipe() -> tuple[StageSpec, ...]:
    ultrachat, xlam = "HuggingFaceH4/ultrachat_200k", "Salesforce/xlam-function-calling-60k"
    # Whoever asks for the recipe cannot mend a row of a public data set.
    chat = DatasetSpec(source=ultrachat, split="train_sft", rows=50_000, format="ultrachat", on_bad_row="drop")
    tools = DatasetSpec(source=xlam, rows=60_000, format="xlam", on_bad_row="drop")
    return (
        StageSpec(name="chat", data=chat),
        StageSpec(name="tools", data=tools, no_call_fraction=0.1, replay_fraction=0.05),
    )


class JobSpec(Spec):
    """The body of `POST /jobs`."""

    base_model: str = Field(min_length=1, max_length=500, description="`owner/name` on the hub, or a path: ./… or /…")
    base_revision: str | None = Field(None, max_length=100, description="commit of a base model of the hub")
    base_id: str | None = Field(
        None,
        max_length=600,
        description="the id, with its digest, that the base model must have; else the job is refused",
    )
    stages: tuple[StageSpec, ...] = Field(default_factory=_recipe, min_length=1, max_length=8)
    evaluation: EvaluationSpec = EvaluationSpec()
    deploy: DeploySpec = DeploySpec()
    keep: KeepSpec = KeepSpec()
    suffix: Suffix = "tuned"
    seed: int = Field(3407, ge=0, le=2**31 - 1)
    priority: int = Field(0, ge=-100, le=100, description="higher first")
    memory_gb: float | None = Field(
        None, gt=0, le=100_000, description="GiB that training needs, instead of the estimate; smaller workers leave it"
    )
    metadata: dict[MetadataKey, MetadataValue] = Field(default_factory=dict, max_length=16)

    @model_validator(mode="after")
    def _stages_are_distinct(self) -> "JobSpec":
        names = [stage.name for stage in self.stages]
        if len(set(names)) != len(names):
            raise ValueError(f"stages {names}: every stage needs a name of its own")
        if "base" in names or "live" in names:
            raise ValueError(
                "a stage can be called neither 'base' nor 'live': these stand for the model before training, and for "
                "what was live before"
            )
        first = self.stages[0]
        if first.no_call_fraction or first.replay_fraction:
            raise ValueError("the first stage has no earlier chat rows: leave out no_call_fraction and replay_fraction")
        for stage in self.stages:
            if stage.no_call_fraction + stage.replay_fraction >= 1:
                raise ValueError(f"stage {stage.name}: no_call_fraction + replay_fraction must stay below 1")
        return self

    @model_validator(mode="after")
    def _gate_can_be_met(self) -> "JobSpec":
        if (gate := self.deploy.gate) is None:
            return self
        if self.deploy.when == "never":
            raise ValueError("deploy.gate holds models back, and deploy.when is never: leave one of them out")
        earlier = [stage.name for stage in self.stages[:-1]] if self.deploy.when == "each_stage" else []
        if unknown := sorted(gate.stages.keys() - earlier):
            raise ValueError(
                f"deploy.gate.stages names {unknown}: the earlier stages that are deployed are {earlier}, and the "
                "conditions of the last one are those of deploy.gate itself"
            )
        last = self.stages[-1].name
        self._check_conditions("deploy.gate", gate, last)
        for name, conditions in gate.stages.items():
            self._check_conditions(f"deploy.gate.stages.{name}", conditions, name)
        return self

    def _check_conditions(self, where: str, conditions: ConditionsSpec, stage: str) -> None:
        """ValueError when the conditions ask for what the job does not measure, or for nothing."""
        suites = self.evaluation.suite_names()
        if not conditions.ask_for_something:
            raise ValueError(f"{where} asks for nothing: give it floors, max_chat_loss_rise or no_regression")
        if missing := sorted({floor.suite for floor in conditions.floors} - set(suites)):
            raise ValueError(f"{where}.floors names the suites {missing}: the job is measured on {suites}")
        for floor in conditions.floors:
            rows = self.evaluation.rows_of(floor.suite)
            if rows is not None and (best := wilson(rows, rows)[0]) < floor.low:
                raise ValueError(
                    f"{where}.floors asks for {floor.low:g} of {floor.suite}: {rows} rows that are all right have a "
                    f"lower end of {best:.3f}; ask for less, or measure on more rows"
                )
        if conditions.no_regression and not suites:
            raise ValueError(f"{where}.no_regression compares answers to suites, and the job has none: name one")
        if conditions.max_chat_loss_rise is not None:
            if self.evaluation.chat is None:
                raise ValueError(f"{where}.max_chat_loss_rise needs held-out chat rows: name evaluation.chat")
            if self.stage_before(stage) == "base" and not self.evaluation.base:
                raise ValueError(f"{where}.max_chat_loss_rise compares with the base: set evaluation.base")
            if self.deploy.when == "last_stage":
                raise ValueError(
                    f"{where}.max_chat_loss_rise compares with the stage before: set deploy.when each_stage"
                )

    def stage_before(self, name: str) -> str:
        """The stage whose model this stage goes on with, or `base`."""
        names = [stage.name for stage in self.stages]
        return (["base", *names])[names.index(name)]

    @property
    def held_out(self) -> HeldOut | None:
        """The rows of its own data that the job keeps for measuring, if any."""
        rows = self.evaluation.hold_out_rows
        return HeldOut(data=self.stages[-1].data, rows=rows) if rows else None

    def sources(self) -> Iterator[SourceSpec]:
        """Everything that the job reads: the stages' data, in order, then what the models are measured on."""
        yield from (stage.data for stage in self.stages)
        yield from self.evaluation.sources()

    @property
    def file_ids(self) -> list[str]:
        """The uploaded files that the job reads, each once."""
        return sorted({data.file_id for data in self.sources() if data.file_id is not None})

    @property
    def base_is_path(self) -> bool:
        """Whether the base model is a folder of this machine rather than a name on the hub."""
        return self.base_model.startswith(("/", "./", "../"))
