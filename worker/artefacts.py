"""What a job makes and where: run directories, merged models, and the specs that its stage programs read."""

from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from core import row_cache, runs
from core.base_model import base_id
from core.file_store import files_root
from core.ids import base_in, model_name
from core.job_files import models_root
from core.machine import has_gpu
from core.manifest import Manifest
from core.memory import GIB
from core.model_card import write_card
from core.model_registry import register_base, register_model
from core.parity import ParityRecord
from core.projects import DEFAULT
from core.settings import get_settings
from core.spec import JobSpec, StageSpec
from core.storage import model_location, read_json, resolve, stage_dir, write_json
from core.verdict import Verdict
from worker.stages.evaluate_run import CHAT_ROWS, EarlierModel, EvaluationRun
from worker.stages.run_dir import StageRun
from worker.stages.takeover import current


class Artefacts:
    """Names and folders of one job."""

    def __init__(
        self, job_id: str, spec: JobSpec, adjustments: dict[str, Any] | None = None, project: str = DEFAULT
    ) -> None:
        self.job_id, self.spec, self.project = job_id, spec, project
        self.adjustments = dict(adjustments or {})
        self.base_path = Path(spec.base_model).resolve()

    @cached_property
    def base_name(self) -> str:
        """What public names call the base: a model that was tuned here goes by the name of its own base."""
        manifest = self.base_path / "manifest.json"
        if self.base_path.is_relative_to(models_root().resolve()) and manifest.exists():
            return base_in(read_json(manifest)["model"])
        return self.spec.base_model

    @cached_property
    def base_id(self) -> str:
        """Public id of the base model; `base_path` must have it by now."""
        return base_id(self.base_name, self.base_path)

    def model_name(self, stage: StageSpec) -> str:
        """Public name of the stage's merged model."""
        return model_name(self.base_name, self.project, self.spec.suffix, self.job_id, stage.name)

    def adjusted(self, stage: StageSpec) -> StageSpec:
        """The stage as it is run: with smaller micro-batches where an earlier run was out of memory."""
        return stage.model_copy(update=self.adjustments.get(stage.name, {}))

    def stage_run(self, stage: StageSpec) -> StageRun:
        """`spec.json` of the stage: it starts from the merged model of the stage before, or from the base."""
        index = self.spec.stages.index(stage)
        before = self.spec.stages[index - 1] if index else None
        start = resolve(model_location(self.job_id, before.name)) if before else self.base_path
        return StageRun(
            job_id=self.job_id,
            job=self.spec,
            stage=self.adjusted(stage),
            seed=self.spec.seed,
            model=str(start),
            tokenizer=str(self.base_path),
            earlier_adapter=str(start / "adapter") if before else None,
            model_name=self.model_name(stage),
            data_root=str(get_settings().data_root.resolve()),
            files_root=str(files_root()),
            replay=before.data if before else None,
            suites=tuple(self.spec.evaluation.named_suites().values()),
            held_out=self.spec.held_out,
            held_out_chat=self.spec.evaluation.chat,
            row_cache=str(cache) if (cache := row_cache.folder()) else None,
            output=str(resolve(model_location(self.job_id, stage.name))),
            memory_limit_bytes=_host_memory_limit(),
        )

    def measured_before(self, stage: str) -> EarlierModel | None:
        """The last model that the job measured before `stage`, where its chat was measured."""
        names = ["base", *(each.name for each in self.spec.stages)]
        for name in reversed(names[: names.index(stage)]):
            folder = current(stage_dir(self.job_id, name))
            if folder is not None and (folder / CHAT_ROWS).exists():
                return EarlierModel(stage=name, folder=str(folder))
        return None

    def evaluation_run(self, stage: str, model_id: str) -> EvaluationRun:
        """`evaluation.json` for a model that is live."""
        settings, wanted = get_settings(), self.spec.evaluation
        return EvaluationRun(
            base_url=f"{settings.inference_url}/v1",
            model=model_id,
            tokenizer=str(self.base_path),
            data_root=str(settings.data_root.resolve()),
            files_root=str(files_root()),
            held_out=self.spec.held_out,
            suites=wanted.named_suites(),
            chat=wanted.chat,
            before=self.measured_before(stage),
            judge=wanted.judge,
            speed=wanted.speed,
            max_tokens=wanted.max_tokens,
            concurrency=wanted.concurrency,
        )

    def publish_scores(self, stage: str, scores: dict[str, Any]) -> None:
        """Put the scores beside the stage's merged model, and into its card.  A base model is not ours to write in."""
        if stage == "base":
            return
        folder = resolve(model_location(self.job_id, stage))
        write_json(folder / "evaluation.json", scores)
        write_card(folder, Manifest.model_validate(read_json(folder / "manifest.json")), scores)

    def register(
        self,
        session: Session,
        lease: runs.Lease,
        stage: StageSpec,
        canary: dict[str, Any] | None = None,
        parity: ParityRecord | None = None,
        fidelity: Verdict | None = None,
    ) -> None:
        """Make the stage's merged model known, and the base model that its adapter is for."""
        self.register_base(session, lease)
        location = model_location(self.job_id, stage.name)
        manifest = read_json(resolve(location) / "manifest.json")
        register_model(
            session,
            self.model_name(stage),
            stage=stage.name,
            base_model=self.spec.base_model,
            location=location,
            manifest=manifest,
            project=self.project,
            job_id=self.job_id,
            base_id=self.base_id,
            adapter_rank=(manifest.get("adapter") or {}).get("rank"),
            canary=canary,
            parity=parity,
            gate=fidelity,
        )

    def register_base(self, session: Session, lease: runs.Lease) -> None:
        """Make the base model known, so that it can be served and measured."""
        runs.hold(session, lease)
        base_model, location = self.spec.base_model, str(self.base_path)
        register_base(session, self.base_id, base_model=base_model, location=location, project=self.project)

    def program_env(self) -> dict[str, str]:
        """Environment of the stage programs: nothing is looked up on the hub when the job needs nothing of it."""
        cache = get_settings().storage_path / "cache"
        env = {"UNSLOTH_DISABLE_STATISTICS": "1", "UNSLOTH_COMPILE_LOCATION": str(cache / "unsloth")}
        if has_gpu():
            env["UNSLOTH_DISABLE_CPU_FALLBACK"] = "1"  # never train on the CPU by accident
        else:
            env["CUDA_VISIBLE_DEVICES"] = ""  # beside a GPU that it sees, Unsloth refuses to train on the CPU
        if self.spec.base_is_path and not any(data.is_on_hub for data in self.spec.sources()):
            env |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
        return env


def _host_memory_limit() -> int | None:
    """What a stage program may take of the host's memory, where the worker trains on the CPU and has a limit."""
    limit_gb = get_settings().worker_memory_gb
    return None if limit_gb is None or has_gpu() else round(limit_gb * GIB)
