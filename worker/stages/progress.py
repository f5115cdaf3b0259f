"""The trainer's callback: a `step` event per optimiser step, marked checkpoints, stopping when asked or diverging."""

import time
from collections import deque
from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from statistics import median
from typing import Any, NoReturn

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from worker.stages.checkpoints import last_complete, mark_complete, prune, remove, step_of
from worker.stages.divergence import DivergenceWatch
from worker.stages.run_dir import Exit, RunDir, StageFailure, StopFlag


class Progress(TrainerCallback):
    """Reports to the run directory."""

    def __init__(self, run: RunDir, stop: StopFlag) -> None:
        self.run, self.stop, self.watch = run, stop, DivergenceWatch()
        self.last = 0.0
        self.step = self.tokens = 0
        self.recent_step_s: deque[float] = deque(maxlen=20)

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.last = time.monotonic()
        self.step, self.tokens = state.global_step, int(state.num_input_tokens_seen)
        for logs in state.log_history:
            if "loss" in logs:
                self.watch.see(logs["loss"], logs.get("grad_norm"))
        self.run.emit("train_begin", step=state.global_step, max_steps=state.max_steps)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.step = state.global_step
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
        if (why := self.watch.see(logs["loss"], logs.get("grad_norm"))) is not None:
            self._diverged(why)

    def on_save(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: torch.nn.Module | None = None,
        optimizer: torch.optim.Optimizer | None = None,
        **_: Any,
    ) -> None:
        """Mark the checkpoint that the trainer has written, unless it is nothing to go on from."""
        checkpoint = self.folder / f"checkpoint-{state.global_step}"
        self.run.check_newest()
        if self.watch.is_suspicious:
            self.skipped(checkpoint, "the gradient norm has exploded, and may stay so")
            remove(checkpoint)
            return
        if model is not None and not _all_finite(model, optimizer):
            remove(checkpoint)
            self._diverged("the weights or the optimiser's state hold values that are no numbers")
        mark_complete(checkpoint)
        prune(self.folder)
        self.run.emit("checkpoint", step=state.global_step)

    def skipped(self, checkpoint: Path, why: str) -> None:
        """Report a checkpoint that is not gone on from, and why."""
        self.run.emit("checkpoint.skipped", step=step_of(checkpoint), path=str(checkpoint), why=why)

    def check_finite(self, model: torch.nn.Module) -> None:
        """What was learned must be numbers before it becomes an adapter."""
        if not _all_finite(model, None):
            self._diverged("the weights hold values that are no numbers")

    @property
    def folder(self) -> Path:
        """Where the checkpoints are."""
        return self.run.path / "checkpoints"

    def _diverged(self, why: str) -> NoReturn:
        good = last_complete(self.folder)
        where = f"the last good checkpoint is that of step {step_of(good)}, {good}" if good else "no checkpoint is good"
        raise StageFailure(
            Exit.FAILED,
            "diverged",
            f"the training diverged at step {self.step}: {why}; {where}; start a new job with a lower learning_rate or "
            "more warmup_steps (a retry goes on from that checkpoint with the same settings, and may diverge again)",
        )


def _all_finite(model: torch.nn.Module, optimizer: torch.optim.Optimizer | None) -> bool:
    return all(bool(torch.isfinite(tensor).all()) for tensor in _learned(model, optimizer))


def _learned(model: torch.nn.Module, optimizer: torch.optim.Optimizer | None) -> Iterator[torch.Tensor]:
    """The trained weights, and the optimiser's state where that is floating-point numbers."""
    yield from (parameter for parameter in model.parameters() if parameter.requires_grad)
    for values in optimizer.state.values() if optimizer is not None else ():
        yield from (v for v in values.values() if isinstance(v, torch.Tensor) and v.is_floating_point())


def _finite(value: float | None) -> float | None:
    return round(float(value), 6) if value is not None and isfinite(value) else None
