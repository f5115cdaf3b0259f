"""OpenAI's three hyperparameters as settings of a stage, and back.

`auto` is decided when the job is created, as the rows of an uploaded file are counted by then.  The number of epochs
follows the rule of OpenAI's cookbook, the batch its 0.2% of the rows, within what the recipe was made for; the learning
rate is the recipe's.  Where the rows are not counted yet (a data set of the hub), `auto` is the recipe.
"""

import math
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema

from core.spec import Spec, StageSpec

RECIPE_EPOCHS, RECIPE_BATCH, RECIPE_WARMUP_STEPS = 1, 16, 100
RECIPE_LEARNING_RATE: float = StageSpec.model_fields["learning_rate"].default
LEAST_AUTO_BATCH = 4
BATCH_SHARE = 0.002
ROWS_PER_PASS = 4
"""At most; a larger batch is gathered over several passes."""
WARMUP_SHARE = 0.1
"""Of all steps: the recipe's 100 steps would be all there is of a small job."""
_TARGET_EPOCHS, _FEWEST_SEEN, _MOST_SEEN, _MOST_EPOCHS = 3, 100, 25_000, 25


def _number_or_auto(value: object) -> object:
    return None if value == "auto" else value


def _or_auto(**number: Any) -> tuple[BeforeValidator, WithJsonSchema]:
    schema = {"anyOf": [{"type": "string", "const": "auto"}, number], "default": "auto"}
    return BeforeValidator(_number_or_auto), WithJsonSchema(schema)


class Hyperparameters(Spec):
    """As asked for; None stands for `auto`."""

    n_epochs: Annotated[int | None, Field(ge=1, le=50), *_or_auto(type="integer", minimum=1, maximum=50)] = None
    batch_size: Annotated[int | None, Field(ge=1, le=256), *_or_auto(type="integer", minimum=1, maximum=256)] = None
    learning_rate_multiplier: Annotated[
        float | None, Field(gt=0, le=5000), *_or_auto(type="number", exclusiveMinimum=0, maximum=5000)
    ] = None

    def settings(self, rows: int | None) -> dict[str, Any]:
        """What they come to for a stage on so many rows."""
        epochs = self.n_epochs or auto_epochs(rows)
        batch = self.batch_size or auto_batch(rows)
        per_pass = max(count for count in range(1, ROWS_PER_PASS + 1) if batch % count == 0)
        return {
            "epochs": epochs,
            "batch_size": per_pass,
            "gradient_accumulation_steps": batch // per_pass,
            "learning_rate": min(1.0, RECIPE_LEARNING_RATE * (self.learning_rate_multiplier or 1.0)),
            "warmup_steps": _warmup_steps(rows, batch, epochs),
        }


class UsedHyperparameters(BaseModel):
    """The values that a stage is trained with."""

    n_epochs: int
    batch_size: int
    learning_rate_multiplier: float

    @classmethod
    def of(cls, stage: dict[str, Any]) -> Self:
        """Of a stage as it is stored in a job's spec."""
        return cls(
            n_epochs=stage["epochs"],
            batch_size=stage["batch_size"] * stage["gradient_accumulation_steps"],
            learning_rate_multiplier=float(f"{stage['learning_rate'] / RECIPE_LEARNING_RATE:.6g}"),
        )


def auto_epochs(rows: int | None) -> int:
    """Three, but for small sets, which would not be seen often enough, and for large ones."""
    if rows is None:
        return RECIPE_EPOCHS
    if rows * _TARGET_EPOCHS < _FEWEST_SEEN:
        return min(_MOST_EPOCHS, _FEWEST_SEEN // rows)
    if rows * _TARGET_EPOCHS > _MOST_SEEN:
        return max(1, _MOST_SEEN // rows)
    return _TARGET_EPOCHS


def auto_batch(rows: int | None) -> int:
    """Rows per optimiser step."""
    return RECIPE_BATCH if rows is None else min(RECIPE_BATCH, max(LEAST_AUTO_BATCH, round(rows * BATCH_SHARE)))


def _warmup_steps(rows: int | None, batch: int, epochs: int) -> int:
    if rows is None:
        return RECIPE_WARMUP_STEPS
    return min(RECIPE_WARMUP_STEPS, int(math.ceil(rows / batch) * epochs * WARMUP_SHARE))
