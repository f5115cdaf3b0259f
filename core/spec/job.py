"""The body of `POST /jobs`, and what must fit together in it."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field, model_validator

from core.significance import wilson
from core.spec.base import MetadataKey, MetadataValue, Spec, Suffix, is_path
from core.spec.data import DatasetSpec, HeldOut, SourceSpec
from core.spec.deploy import ConditionsSpec, DeploySpec
from core.spec.evaluation import EvaluationSpec
from core.spec.stage import StageSpec


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
        return is_path(self.base_model)
