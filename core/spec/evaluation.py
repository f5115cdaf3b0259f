"""What the models of a job are measured on."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from core.spec.base import Name, Spec
from core.spec.data import DatasetSpec, SourceSpec, SuiteSpec

HELD_OUT = "tools"
"""The suite of the job's own held-out rows."""


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
