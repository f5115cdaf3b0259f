"""Stage program: QLoRA fine-tune of one stage with Unsloth and TRL, from `rows.arrow` to `adapter/`.

The same code runs on a GPU and on the CPU; what the machine has decides, and the `device` event says it.  It
resumes from the last complete checkpoint in `checkpoints/`, and on SIGTERM saves one and leaves.  On one machine's
CPU a training that was killed at any step and resumed ends with the same adapter, bit for bit, as one never killed.
"""

# Unsloth patches transformers and trl as it is imported, so it comes first.
import unsloth  # isort: skip

import shutil
from pathlib import Path
from typing import Any

import torch
from bitsandbytes.nn.modules import Linear4bit
from datasets import Dataset
from torch.utils.data import Sampler
from transformers import PreTrainedModel, PreTrainedTokenizerFast
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from core.spec import StageSpec
from core.storage import fsync_tree
from worker.stages.checkpoints import discard_after, last_complete
from worker.stages.cpu_allocator import keep_freed_memory
from worker.stages.cpu_attention import use_where_it_fits
from worker.stages.failures import is_out_of_memory
from worker.stages.progress import Progress
from worker.stages.row_order import RowOrder
from worker.stages.run_dir import Exit, RunDir, StageFailure, StageRun, StopFlag, run_program


class Trainer(SFTTrainer):
    """TRL's trainer, with our order of rows: its own is drawn from the global random state.

    A resume within a later epoch draws it before that state is restored (`Trainer._run_epoch`), so from another one.
    """

    rows: RowOrder

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler[int]:
        return self.rows


def main(run: RunDir) -> None:
    """Train and write `adapter/` and `sft.json`."""
    spec = run.spec()
    try:
        train(run, spec)
    except Exception as error:
        if is_out_of_memory(error):
            raise StageFailure(Exit.OUT_OF_MEMORY, "out_of_memory", _out_of_memory(spec.stage, error)) from error
        raise


def train(run: RunDir, spec: StageRun) -> None:
    """Train from the last complete checkpoint, or from the start."""
    stop = StopFlag()
    model, tokenizer = load(spec)
    rows = Dataset.from_file(str(run.path / "rows.arrow"))
    progress = Progress(run, stop)
    trainer = Trainer(
        model=model,
        processing_class=tokenizer,
        args=config(spec, run.path / "checkpoints"),
        train_dataset=rows,
        callbacks=[progress],
    )
    if not torch.cuda.is_available():
        keep_freed_memory()
        use_where_it_fits(model, spec.stage.batch_size, max(rows["length"]))
    trainer.rows = RowOrder(list(rows["length"]), spec.seed)
    # TRL casts LoRA weights of a 4-bit base to bf16; in float32 a killed and resumed run ends with the same bits.
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    used = device(model, trainer)
    run.emit("device", **used)
    checkpoint = last_complete(run.path / "checkpoints", progress.skipped)
    run.check_newest()
    discard_after(run.path / "checkpoints", checkpoint)
    stop.listen()
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if stop.is_set and trainer.state.global_step < trainer.state.max_steps:
        raise StageFailure(Exit.STOPPED, "stopped", f"stopped after step {trainer.state.global_step}")
    progress.check_finite(model)
    save_adapter(model, run.path / "adapter")
    run.finish("sft", {"steps": trainer.state.global_step, "device": used})


def load(spec: StageRun) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """The (4-bit) base with a fresh LoRA adapter, and its tokenizer."""
    stage = spec.stage
    model, tokenizer = unsloth.FastLanguageModel.from_pretrained(
        spec.model, max_seq_length=stage.max_seq_length, dtype=torch.bfloat16, load_in_4bit=stage.load_in_4bit
    )
    model = unsloth.FastLanguageModel.get_peft_model(
        model,
        r=stage.lora.r,
        lora_alpha=stage.lora.alpha,
        lora_dropout=stage.lora.dropout,
        target_modules=list(stage.lora.target_modules),
        use_gradient_checkpointing="unsloth" if torch.cuda.is_available() else False,
        random_state=spec.seed,
    )
    return model, tokenizer


def config(spec: StageRun, checkpoints: Path) -> SFTConfig:
    """The trainer's settings for the stage."""
    stage = spec.stage
    # Left unset, Unsloth takes what is faster for the model, the GPU and the rows; on a CPU it cannot pack.
    packing: dict[str, Any] = {}
    if torch.cuda.is_available() and stage.packing != "auto":
        packing["padding_free"] = stage.packing
    return SFTConfig(
        **packing,
        output_dir=str(checkpoints),
        per_device_train_batch_size=stage.batch_size,
        gradient_accumulation_steps=stage.gradient_accumulation_steps,
        learning_rate=stage.learning_rate,
        # Its "constant" leaves the warm-up out.
        lr_scheduler_type="constant_with_warmup" if stage.lr_scheduler == "constant" else stage.lr_scheduler,
        warmup_steps=stage.warmup_steps,
        optim=stage.optimizer,
        weight_decay=stage.weight_decay,
        num_train_epochs=stage.epochs,
        max_steps=stage.max_steps or -1,
        max_length=stage.max_seq_length,
        bf16=True,
        seed=spec.seed,
        save_steps=stage.checkpoint_every_steps,
        save_total_limit=None,  # `Progress` removes old ones, once a newer one is marked
        logging_steps=1,
        logging_nan_inf_filter=False,
        include_num_input_tokens_seen="non_padding",
        gradient_checkpointing=False,  # set on the model, where Unsloth has its own kind
        dataset_kwargs={"skip_prepare_dataset": True},
        report_to="none",
        disable_tqdm=True,
    )


def device(model: PreTrainedModel, trainer: Trainer) -> dict[str, Any]:
    """What the job's record says about where and how it trains: looked up, not what was asked for."""
    cuda = torch.cuda.is_available()
    four_bit = any(isinstance(module, Linear4bit) for module in model.modules())
    return {
        "backend": "cuda" if cuda else "cpu",
        "name": torch.cuda.get_device_name() if cuda else f"{torch.get_num_threads()} threads",
        "memory_bytes": torch.cuda.get_device_properties(0).total_memory if cuda else None,
        "base_weights": "nf4" if four_bit else str(model.dtype).removeprefix("torch."),
        "compute": str(model.dtype).removeprefix("torch."),
        "optimizer": trainer.args.optim,
        "gradient_checkpointing": "unsloth" if cuda else "off",
        "packing": bool(getattr(trainer.data_collator, "padding_free", False)),
        "threads": torch.get_num_threads(),
        "trainable_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "versions": {"torch": torch.__version__, "unsloth": unsloth.__version__},
    }


def save_adapter(model: PreTrainedModel, target: Path) -> None:
    """Write the LoRA weights; the folder appears complete or not at all."""
    temporary = target.with_suffix(".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()  # fails where the run directory is gone, which `save_pretrained` would make anew
    model.save_pretrained(temporary)
    fsync_tree(temporary)
    shutil.rmtree(target, ignore_errors=True)
    temporary.rename(target)


def _out_of_memory(stage: StageSpec, error: Exception) -> str:
    where = "GPU" if torch.cuda.is_available() else "host"
    advice = (
        f"batch_size is {stage.batch_size}: a smaller one with more gradient_accumulation_steps learns the same"
        if stage.batch_size > 1
        else "batch_size is 1 already: lower max_seq_length, or train on a worker with more memory"
    )
    return (
        f"stage {stage.name}: the {where} ran out of memory with max_seq_length {stage.max_seq_length}; {advice} "
        f"({type(error).__name__}: {str(error)[:200]})"
    )


if __name__ == "__main__":
    run_program(main)
