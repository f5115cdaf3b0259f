"""`extra_body={"tunesmith": {…}}`: whatever a job can have beyond OpenAI's fields, in the terms of `core.spec.JobSpec`.

It is merged over what OpenAI's fields come to: a setting that is given here wins.  `stages` are the job's stages in
order; a stage that names no `data` trains on `training_file`.
"""

from typing import Any, NoReturn

from pydantic import Field, field_validator

from core.spec import DatasetSpec, JobSpec, Name, StageSpec

STAGE = "sft"
"""The name of the one stage of a plain job."""


class StageExtension(StageSpec):
    """A stage; what it leaves out comes from OpenAI's fields, then from the recipe."""

    name: Name = STAGE
    data: DatasetSpec | None = Field(None, description="`training_file` when absent")  # type: ignore[assignment]


class Extension(JobSpec):
    """Parts of a JobSpec."""

    base_model: str = Field("", description="not here: it is OpenAI's `model`")
    stages: tuple[StageExtension, ...] = Field((StageExtension(),), min_length=1, max_length=8)

    @field_validator("base_model", "suffix", "seed", "metadata", mode="before")
    @classmethod
    def _has_a_field_of_openais(cls, value: object) -> NoReturn:
        raise ValueError("OpenAI's API has a field for it: give it there (`model`, `suffix`, `seed` or `metadata`)")

    def stages_over(self, settings: dict[str, Any], training_file: str) -> list[dict[str, Any]]:
        """The stages of a JobSpec, where `settings` are those of every stage that does not say otherwise."""
        stages = []
        for stage in self.stages:
            own = {"name": stage.name, **stage.model_dump(exclude_unset=True)}
            own["data"] = own.get("data") or {"source": training_file}
            stages.append({**settings, **own})
        return stages
