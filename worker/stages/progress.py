"""The trainer's callback: one `step` event per optimiser step, marked checkpoints, and stopping when asked."""

import math
import time
from collections import deque
from pathlib import Path
from statistics import median
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from worker.stages.checkpoints import mark_complete
from worker.stages.run_dir import Exit, RunDir, StageFailure, StopFlag


class Progress(TrainerCallback):
    """Reports to the run directory."""

    def __init__(self, run: RunDir, stop: StopFlag) -> None:
        self.run, self.stop = run, stop
        self.started = self.last = 0.0
        self.tokens = 0
        self.recent_step_s: deque[float] = deque(maxlen=20)

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.started = self.last = time.monotonic()
        self.tokens = int(state.num_input_tokens_seen)
        self.run.emit("train_begin", step=state.global_step, max_steps=state.max_steps)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self.stop.is_set:
            control.should_save = control.should_training_stop = True

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        if not logs or "loss" not in logs:
            return
        now, tokens = time.monotonic(), int(state.num_input_tokens_seen)
        step_s = max(now - self.last, 1e-9)
        self.recent_step_s.append(step_s)  # the median forgets the first step, which compiles and warms up
        self.run.emit(
            "step",
            step=state.global_step,
            max_steps=state.max_steps,
            epoch=round(float(logs.get("epoch", 0)), 4),
            loss=_finite(logs["loss"]),
            grad_norm=_finite(logs.get("grad_norm")),
            learning_rate=logs["learning_rate"],
            tokens=tokens,
            tokens_per_s=round((tokens - self.tokens) / step_s, 1),
            step_s=round(step_s, 4),
            eta_s=round((state.max_steps - state.global_step) * median(self.recent_step_s), 1),
        )
        self.last, self.tokens = now, tokens
        if not math.isfinite(logs["loss"]):
            raise StageFailure(
                Exit.FAILED,
                "diverged",
                f"the loss became {logs['loss']} at step {state.global_step}; lower learning_rate or warm up longer",
            )

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        checkpoint = Path(str(args.output_dir)) / f"checkpoint-{state.global_step}"
        mark_complete(checkpoint)
        self.run.emit("checkpoint", step=state.global_step)

    @property
    def train_s(self) -> float:
        """Seconds since the training began."""
        return time.monotonic() - self.started


def _finite(value: float | None) -> float | None:
    return round(float(value), 6) if value is not None and math.isfinite(value) else None
