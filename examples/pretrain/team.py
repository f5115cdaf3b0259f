"""Processes that share one model: each takes the next part of the step's batch, whoever is free.

On a busy machine this beats threads by far: two threads must meet after every product, these meet once a step.
"""

import os
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.synchronize import Barrier as BarrierType
from threading import Thread
from typing import Any

import torch
from torch import Tensor
from torch import multiprocessing as processes
from torch.nn import functional
from transformers import Qwen2ForCausalLM

from examples.pretrain.model import use_matmul_attention

PARTS = 4  # of a batch
STUCK_S = 1800


def loss_of(model: Qwen2ForCausalLM, ids: Tensor) -> Tensor:
    """Mean loss of the next token."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(input_ids=ids, use_cache=False).logits
    return functional.cross_entropy(logits[:, :-1].flatten(0, 1).float(), ids[:, 1:].flatten())


@dataclass
class Team:
    """What the processes share: weights, the batch, the sum of gradients, and where the step stands."""

    model: Qwen2ForCausalLM
    batch: Tensor
    shape: Tensor
    gradient: Tensor
    progress: Tensor  # next part, sum of losses
    lock: Any
    start: BarrierType
    end: BarrierType

    def take_part(self) -> int | None:
        """The next part that nobody has taken."""
        with self.lock:
            part = int(self.progress[0])
            self.progress[0] += 1
        return part if part < PARTS else None

    def do_parts(self) -> None:
        """Work on parts of the batch until none is left, then add this process's gradients to the sum."""
        rows = self.batch[: int(self.shape.prod())].view(int(self.shape[0]), int(self.shape[1]))
        losses = 0.0
        while (part := self.take_part()) is not None:
            loss = loss_of(self.model, rows[part::PARTS]) / PARTS
            loss.backward()  # type: ignore[no-untyped-call]
            losses += loss.item()
        weights = list(self.model.parameters())
        if weights[0].grad is not None:
            with self.lock:
                self.gradient += torch.cat([w.grad.flatten() for w in weights if w.grad is not None])
                self.progress[1] += losses
            self.model.zero_grad(set_to_none=True)
        self.end.wait(STUCK_S)

    def step(self, rows: Tensor) -> float:
        """The leader's side of one step: leaves the summed gradients on the weights, returns the loss."""
        self.batch[: rows.numel()] = rows.flatten()
        self.shape[0], self.shape[1] = rows.shape
        self.progress.zero_()
        self.gradient.zero_()
        self.start.wait(STUCK_S)
        self.do_parts()
        weights = list(self.model.parameters())
        for weight, flat in zip(weights, torch.split(self.gradient, [w.numel() for w in weights]), strict=True):
            weight.grad = flat.view_as(weight).clone()
        return float(self.progress[1])


def end_with_leader() -> None:
    """Exit when the process that started this one has gone, however it went."""
    leader = parent_process()
    if leader is not None:
        leader.join()
    os._exit(1)


def follow(team: Team) -> None:
    """A helper's whole life."""
    Thread(target=end_with_leader, daemon=True).start()
    use_matmul_attention()
    torch.set_num_threads(1)
    while True:
        team.start.wait(STUCK_S)
        team.do_parts()


def gather(model: Qwen2ForCausalLM, tokens_per_step: int, workers: int) -> Team:
    """Share the model with `workers` - 1 helper processes, which end with this one."""
    torch.set_num_threads(1)
    spawn = processes.get_context("spawn")
    model.share_memory()
    weights = sum(weight.numel() for weight in model.parameters())
    shared = (torch.zeros(tokens_per_step, dtype=torch.long), torch.zeros(2, dtype=torch.long))
    sums = (torch.zeros(weights), torch.zeros(2, dtype=torch.float64))
    for tensor in (*shared, *sums):
        tensor.share_memory_()  # type: ignore[no-untyped-call]
    team = Team(model, *shared, *sums, spawn.Lock(), spawn.Barrier(workers), spawn.Barrier(workers))
    for _ in range(workers - 1):
        spawn.Process(target=follow, args=(team,), daemon=True).start()
    return team
