"""A LoRA adapter that PEFT has trained on the tiny base model, and its stage as the run directory has it."""

import json
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from core.rows import Row
from tests.worker.conftest import TINY_BASE
from tests.worker.training import run_directory
from worker.stages.reference import use_few_threads
from worker.stages.render import load_tokenizer, tokenize

LEARNING_RATE = 5e-3


def trained_run(folder: Path, rows: list[dict[str, Any]], *, steps: int = 6) -> Path:
    """A run directory with these rows, in which training has just ended: next is the merge."""
    run = run_directory(folder)
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    use_few_threads(TINY_BASE)
    torch.manual_seed(1)
    base = AutoModelForCausalLM.from_pretrained(TINY_BASE, dtype=torch.float32)
    config = LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj", "down_proj"], task_type="CAUSAL_LM")
    model, tokenizer = get_peft_model(base, config), load_tokenizer(str(TINY_BASE))
    tokens = [tokenize(tokenizer, Row(row["messages"], row.get("tools"))) for row in rows]
    optimizer = torch.optim.AdamW([each for each in model.parameters() if each.requires_grad], lr=LEARNING_RATE)
    for _ in range(steps):
        for row in tokens:
            model(input_ids=torch.tensor([row.input_ids]), labels=torch.tensor([row.labels])).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(str(run / "adapter"))
    return run
