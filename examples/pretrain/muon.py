"""Muon: momentum whose matrices are made nearly orthogonal before the step (Jordan et al. 2024), for 2-D weights.

Step size as in Moonlight (arXiv 2502.16982): scaled by 0.2 * sqrt(longest side), so that an AdamW learning
rate carries over.
"""

import math
from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor

# Quintic Newton-Schulz coefficients of the reference implementation: fast, singular values end up in about 0.7 to 1.2.
A, B, C = 3.4445, -4.7750, 2.0315


def orthogonalised(updates: Tensor, iterations: int = 5) -> Tensor:
    """A stack of matrices (n, rows, columns), each with its singular values pushed towards 1."""
    x = updates.bfloat16()
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(iterations):
        gram = x @ x.mT
        x = A * x + (B * gram + C * gram @ gram) @ x
    result: Tensor = (x.mT if tall else x).float()
    return result


class Muon(torch.optim.Optimizer):
    """Matrices of equal shape are stepped as one stack."""

    def __init__(
        self, matrices: Iterable[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.02
    ) -> None:
        by_shape: dict[torch.Size, list[Tensor]] = defaultdict(list)
        for matrix in matrices:
            by_shape[matrix.shape].append(matrix)
        super().__init__(
            [{"params": stack} for stack in by_shape.values()], {"lr": lr, "momentum": momentum, "decay": weight_decay}
        )

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            weights: list[Tensor] = group["params"]
            state = self.state[weights[0]]
            gradients = torch.stack([w.grad for w in weights if w.grad is not None])
            if "average" not in state:
                state["average"] = torch.zeros_like(gradients)
            average: Tensor = state["average"].lerp_(gradients, 1 - group["momentum"])
            steps = orthogonalised(gradients.lerp(average, group["momentum"]))
            size = 0.2 * math.sqrt(max(gradients.shape[1:])) * group["lr"]
            for weight, step in zip(weights, steps, strict=True):
                weight.mul_(1 - group["lr"] * group["decay"]).add_(step, alpha=-size)
