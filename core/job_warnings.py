"""What a preflight warns of: settings and data with which a job runs, but hardly as its owner means it to.

Every warning has a stable code, and a message that names the thing, the limit and the fix.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from core.preparation import Preparation, Rows
from core.spec import StageSpec

Code = Literal[
    "warmup_too_long",
    "learning_rate_unusual",
    "rank_high_for_data",
    "rank_low_for_data",
    "alpha_unusual",
    "stop_token_not_trained",
    "evaluation_in_training",
    "duplicates",
    "few_rows",
    "many_epochs",
    "max_seq_length_unused",
    "rows_too_long",
    "rows_without_answer",
    "no_call_unfilled",
    "no_worker_fits",
]
USUAL_RATES = (1e-5, 1e-3)
SMALL_MODEL = 100_000_000
"""Weights; below that, far larger learning rates are usual."""
FEW_ROWS = 100
MANY_EPOCHS = 5
USUAL_ALPHA = (0.5, 4.0)
"""Of alpha by r: what the adapter's output is multiplied by."""
BITS_PER_WEIGHT = 2
"""What an adapter can hold, at about one bit for each token that is learned (Allen-Zhu and Li 2024)."""
ROOMY = 200
"""An adapter with so many weights for each token that is learned mostly learns them by heart."""
MUCH_SHARE = 0.05
"""Of the rows: dropping or repeating more is worth a look."""


class JobWarning(BaseModel):
    """One warning; `param` says where in the spec its cause stands."""

    model_config = ConfigDict(frozen=True)

    code: Code
    message: str
    param: str | None


@dataclass(frozen=True)
class StageFacts:
    """What the warnings of a stage go by; what is not known yet is None."""

    number: int
    stage: StageSpec
    steps: int | None
    preparation: Preparation | None
    trainable: int | None
    parameters: int | None

    def at(self, field: str) -> str:
        return f"stages[{self.number}].{field}"


def warnings_of(facts: StageFacts) -> Iterator[JobWarning]:
    """The warnings of one stage."""
    yield from _of_settings(facts)
    if facts.preparation is not None:
        yield from _of_data(facts, facts.preparation)
        yield from _of_capacity(facts, facts.preparation)


def _of_settings(facts: StageFacts) -> Iterator[JobWarning]:
    stage = facts.stage
    if facts.steps is not None and stage.warmup_steps > facts.steps / 2:
        yield _warning(
            facts, "warmup_too_long", "warmup_steps",
            f"is {stage.warmup_steps} and the stage has {facts.steps} steps, so that the full learning rate "
            f"{'is never reached' if stage.warmup_steps >= facts.steps else 'holds for less than half of them'}: "
            f"set it to {facts.steps // 20} (a twentieth of the steps) or so",
        )  # fmt: skip
    low, high = USUAL_RATES
    too_high = stage.learning_rate > high and (facts.parameters is None or facts.parameters >= SMALL_MODEL)
    if stage.learning_rate < low or too_high:
        yield _warning(
            facts, "learning_rate_unusual", "learning_rate",
            f"is {stage.learning_rate:g}: LoRA is usually trained with {low:g} to {high:g}; 2e-4 is the recipe's",
        )  # fmt: skip
    scale = stage.lora.alpha / stage.lora.r
    if not USUAL_ALPHA[0] <= scale <= USUAL_ALPHA[1]:
        yield _warning(
            facts, "alpha_unusual", "lora.alpha",
            f"is {stage.lora.alpha} and r is {stage.lora.r}, a scale of {scale:g}: usual is {USUAL_ALPHA[0]:g} to "
            f"{USUAL_ALPHA[1]:g}; set alpha to r, or to twice r",
        )  # fmt: skip
    if stage.epochs > MANY_EPOCHS:
        yield _warning(
            facts, "many_epochs", "epochs",
            f"is {stage.epochs}: more than {MANY_EPOCHS} passes over the same rows mostly teach them by heart; 1 to 3 "
            "are usual, and more rows help more",
        )  # fmt: skip


def _of_data(facts: StageFacts, data: Preparation) -> Iterator[JobWarning]:
    stage = facts.stage
    if data.rows < FEW_ROWS:
        yield _warning(
            facts, "few_rows", "data",
            f"has {data.rows} rows to train on: below {FEW_ROWS} a model learns the answers' form at best; add rows",
        )  # fmt: skip
    if data.not_stopped.count:
        yield _warning(
            facts, "stop_token_not_trained", "data",
            f"has {data.not_stopped.count} of {data.rows} rows whose last token is not learned, so that the model may "
            f"never stop ({_places(data.not_stopped)}): look at the template's end of turn, and the rows' weights",
        )  # fmt: skip
    if data.overlap.count:
        yield _warning(
            facts, "evaluation_in_training", "data",
            f"has {data.overlap.count} rows that answer a question of the evaluation ({_places(data.overlap)}): its "
            "scores will be too good; take them out of one of the two",
        )  # fmt: skip
    if data.duplicates.count > MUCH_SHARE * data.rows:
        yield _warning(
            facts, "duplicates", "data",
            f"has {data.duplicates.count} of {data.rows} rows that repeat an earlier one exactly "
            f"({_places(data.duplicates)}): they count twice; leave them out",
        )  # fmt: skip
    too_long, unanswered = (data.dropped.get(reason, Rows()) for reason in ("too_long", "nothing_trained"))
    if too_long.count > MUCH_SHARE * data.rows_in:
        yield _warning(
            facts, "rows_too_long", "max_seq_length",
            f"is {stage.max_seq_length}, and {too_long.count} of {data.rows_in} rows are longer and dropped "
            f"({_places(too_long)}): raise it, or shorten them",
        )  # fmt: skip
    if unanswered.count:
        yield _warning(
            facts, "rows_without_answer", "data",
            f"has {unanswered.count} of {data.rows_in} rows with nothing to learn, which are dropped "
            f"({_places(unanswered)}): give them an assistant message whose weight is not 0",
        )  # fmt: skip
    if stage.max_seq_length > 2 * data.longest and stage.max_seq_length - data.longest >= 256:
        yield _warning(
            facts, "max_seq_length_unused", "max_seq_length",
            f"is {stage.max_seq_length} and the longest row has {data.longest} tokens: the job waits for a worker with "
            f"memory that it does not need; set it to {-(-data.longest // 64) * 64}",
        )  # fmt: skip
    if data.no_call_unfilled:
        yield _warning(
            facts, "no_call_unfilled", "no_call_fraction",
            f"is {stage.no_call_fraction:g}, and for {data.no_call_unfilled} rows every tool fits, so they stay plain "
            "chat: lower it, or add rows with other tools",
        )  # fmt: skip


def _of_capacity(facts: StageFacts, data: Preparation) -> Iterator[JobWarning]:
    r, trainable = facts.stage.lora.r, facts.trainable
    if not trainable or not data.trained_tokens:
        return
    if trainable > ROOMY * data.trained_tokens and r > 1:
        fitting = max(1, r * ROOMY * data.trained_tokens // trainable)
        yield _warning(
            facts, "rank_high_for_data", "lora.r",
            f"is {r}, which makes {trainable:,} weights for {data.trained_tokens:,} tokens that are learned: more than "
            f"{ROOMY} to one learn them by heart; lower r to {fitting}, or add rows",
        )  # fmt: skip
    if data.trained_tokens > BITS_PER_WEIGHT * trainable:
        fitting = -(-r * data.trained_tokens // (BITS_PER_WEIGHT * trainable))
        yield _warning(
            facts, "rank_low_for_data", "lora.r",
            f"is {r}, which makes {trainable:,} weights for {data.trained_tokens:,} tokens that are learned: more than "
            f"{BITS_PER_WEIGHT} a weight do not fit into it; raise r to {fitting}",
        )  # fmt: skip


def _warning(facts: StageFacts, code: Code, field: str, message: str) -> JobWarning:
    param = facts.at(field)
    return JobWarning(code=code, message=f"{param} {message}", param=param)


def _places(rows: Rows) -> str:
    """The first few places, without the source's name where all are of the same one."""
    first = rows.first[:5]
    more = ", …" if rows.count > len(first) else ""
    if len({place.source for place in first}) == 1:
        return f"{first[0].source}, rows {', '.join(str(place.row) for place in first)}{more}"
    return "; ".join(map(str, first)) + more
