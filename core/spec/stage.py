"""One fine-tune of a job."""

import math
from typing import Literal

from pydantic import Field

from core.spec.base import Name, Spec
from core.spec.data import DatasetSpec

ToolPrompt = Literal["template", "system"]
TooLong = Literal["refuse", "drop", "cut_left"]
LORA_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


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
