"""The figures of one measured model, as an evaluation stores them.

Every share comes with its n and its 95% Wilson interval; one that there is nothing to take of is null.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from core.chat_regression import ChatRegression


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, populate_by_name=True)


class Rate(Frozen):
    """A share of `n` outcomes, from 0 to 1."""

    value: float
    n: int
    low: float = Field(description="where its 95% interval begins")
    high: float


class Confusion(Frozen):
    """Rows by whether the model called, and whether a call was expected."""

    called_expected: int
    not_called_expected: int
    called_unexpected: int
    not_called_unexpected: int


class SuiteFigures(Frozen):
    """How a model did on one suite."""

    kind: str = Field(description="`held_out`, `bfcl` or `openai`")
    rows: int
    function_name_accuracy: Rate | None = Field(description="of the rows that expect calls: those functions are called")
    function_name_and_args_accuracy: Rate | None = Field(description="and every argument is right, too")
    lenient_function_name_and_args_accuracy: Rate | None = Field(
        description="the same where calls count that were written in any common form, and not only in the model's own"
    )
    no_call_accuracy: Rate | None = Field(description="of the rows that expect no call: nothing was called (recall)")
    no_call_precision: Rate | None = Field(description="of the answers without a call: none was expected")
    malformed_call_rate: Rate | None = Field(description="answers with a call that no client can carry out")
    stop_rate: Rate | None = Field(description="answers that ended by themselves, below the limit of tokens")
    confusion: Confusion
    by_kind: dict[str, Rate | None] = Field(description="right answers by kind of row")


class PromptAnswer(Frozen):
    """What the model answered to one of the built-in prompts, calls written as `name(arguments)`."""

    prompt: str
    answer: str
    expected: str | None = Field(None, description="the right calls; empty where words and no call are right")
    correct: bool | None = None


class ChatLoss(Frozen):
    """Of the held-out answers, in nats a token."""

    value: float
    perplexity: float | None = Field(description="null where it is too great for a number")
    tokens: int


class AnswerTokens(Frozen):
    """How long answers are."""

    mean: float | None = None
    median: float
    p95: float


class JudgeFigures(Frozen):
    """What a judging model says of the answers of two models to the same rows, asked in both orders."""

    model: str
    against: str = Field(description="the stage whose answers these were compared with, or `base`")
    rows: int
    wins: int = Field(description="rows on which this model's answer is preferred in both orders")
    ties: int
    losses: int
    disagreed: int = Field(description="of the ties: the judge preferred a place, not an answer")
    unreadable: int = Field(description="rows on which a reply was no verdict")
    identical: int = Field(description="of the ties: both models say the same")
    win_rate: Rate | None
    tie_rate: Rate | None
    loss_rate: Rate | None
    p_value: float


class ChatFigures(Frozen):
    """How the model chats, on the held-out chat rows."""

    rows: int
    loss: ChatLoss | None = Field(description="null where no token is learned from")
    stop_rate: Rate | None
    empty_rate: Rate | None = None
    repetition_rate: Rate | None = Field(None, description="answers that repeat themselves")
    answer_tokens: AnswerTokens | None = None
    reference_tokens: AnswerTokens | None = Field(None, description="the same of the answers in the data")
    regression: ChatRegression | None = Field(None, description="against the stage before, on the same rows")
    judge: JudgeFigures | None = Field(None, description="what a judging model prefers; null without one")


class SpeedPhase(Frozen):
    """At one number of clients that ask at the same time."""

    tokens_per_s: float
    first_token_ms: float
    token_ms: float | None


class SpeedFigures(Frozen):
    """How fast the model answers where it was measured."""

    alone: SpeedPhase = Field(alias="1", description="one client")
    together: SpeedPhase = Field(alias="8", description="eight clients")
    gain: float = Field(description="tokens/s of eight clients by those of one")


Version = Literal[2]


class Scores(Frozen):
    """Everything that was measured on one model."""

    version: Version
    headline: str | None = Field(description="the suite whose figures come first")
    suites: dict[str, SuiteFigures]
    prompts: tuple[PromptAnswer, ...] = Field((), description="the built-in ones, over seven tools")
    chat: ChatFigures | None = None
    speed: SpeedFigures | None = None
    evaluate_s: float = Field(description="how long measuring took")
