"""Pre-train the tiny base model from nothing: `python -m examples.pretrain.train --work DIR --out DIR`.

Checkpoints every CHECKPOINT_EVERY steps and resumes from the last one. One line of progress per REPORT_EVERY steps.
"""

import argparse
import os
import time
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerFast, Qwen2ForCausalLM

from examples.pretrain import tokenizer as bpe
from examples.pretrain.batches import batch
from examples.pretrain.courses import COURSES, Course, at
from examples.pretrain.model import new_model, save_base
from examples.pretrain.muon import Muon
from examples.pretrain.team import gather, loss_of

TOKENS_PER_STEP = 4096
REPORT_EVERY, CHECKPOINT_EVERY = 100, 100
HELD_BACK_SEED = 1_000_003


def optimizers(model: Qwen2ForCausalLM) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the blocks, AdamW for embeddings, norms and biases."""
    named = list(model.named_parameters())
    matrices = [weight for name, weight in named if weight.ndim == 2 and "embed" not in name]
    others = [weight for name, weight in named if weight.ndim != 2 or "embed" in name]
    return [Muon(matrices, lr=1e-3), torch.optim.AdamW(others, lr=1e-3, betas=(0.9, 0.95), weight_decay=0.0)]


def save_checkpoint(path: Path, step: int, model: Qwen2ForCausalLM, optims: list[torch.optim.Optimizer]) -> None:
    unfinished = path.with_suffix(".tmp")
    torch.save({"step": step, "model": model.state_dict(), "optims": [o.state_dict() for o in optims]}, unfinished)
    os.replace(unfinished, path)


def load_checkpoint(path: Path, model: Qwen2ForCausalLM, optims: list[torch.optim.Optimizer]) -> int:
    """Restore everything; returns the step to go on with."""
    if not path.exists():
        return 0
    saved = torch.load(path, weights_only=True)
    model.load_state_dict(saved["model"])
    for optimizer, state in zip(optims, saved["optims"], strict=True):
        optimizer.load_state_dict(state)
    return int(saved["step"])


def pretrain(work: Path, out_dir: Path, courses: tuple[Course, ...], seed: int, workers: int) -> None:
    work.mkdir(parents=True, exist_ok=True)
    if not (work / "tokenizer.json").exists():
        bpe.main(str(work))
    tokenizer = PreTrainedTokenizerFast.from_pretrained(work)
    model = new_model(seed)
    team = gather(model, TOKENS_PER_STEP, workers)
    optims = optimizers(model)
    first, steps = load_checkpoint(work / "checkpoint.pt", model, optims), sum(course.steps for course in courses)
    parameters = sum(weight.numel() for weight in model.parameters())
    print(f"{parameters:,} parameters, {steps} steps of {TOKENS_PER_STEP} tokens, from step {first}", flush=True)
    started, smooth = time.monotonic(), 0.0
    for step in range(first, steps):
        course, course_step = at(courses, step)
        length, rate = course.row_length(course_step), course.learning_rate(course_step)
        rows = batch(tokenizer, seed, step, TOKENS_PER_STEP // length, length, course.mixture)
        loss = team.step(torch.from_numpy(rows))
        for optimizer in optims:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        smooth = loss if step == first else 0.98 * smooth + 0.02 * loss
        done = step + 1
        if done % CHECKPOINT_EVERY == 0:
            save_checkpoint(work / "checkpoint.pt", done, model, optims)
        if done % REPORT_EVERY == 0 or done == steps:
            held_back = torch.from_numpy(batch(tokenizer, HELD_BACK_SEED, 0, 16, 512, course.mixture))
            with torch.no_grad():
                held_loss = loss_of(model, held_back).item()
            elapsed = time.monotonic() - started
            speed = (done - first) * TOKENS_PER_STEP / elapsed
            print(
                f"{course.name} step {done}/{steps} tokens {done * TOKENS_PER_STEP / 1e6:.2f}M loss {smooth:.3f} "
                f"held-back loss {held_loss:.3f} lr {rate:.5f} {speed:.0f} tok/s {elapsed:.0f}s",
                flush=True,
            )
    save_base(model, tokenizer, out_dir)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="tokenizer and checkpoints")
    parser.add_argument("--out", type=Path, required=True, help="the finished model")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2, help="processes; one per core")
    arguments = parser.parse_args()
    pretrain(arguments.work, arguments.out, COURSES, arguments.seed, arguments.workers)


if __name__ == "__main__":
    main()
