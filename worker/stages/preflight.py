"""Stage program: prepare every stage of a job, without training, and write `preflight.json`: counts, samples, problems.

RUN_DIR/spec.json holds a `PreflightRun`.  Each stage is prepared in RUN_DIR/STAGE by the very program that a job uses,
so what is found here is what the job will find.  A stage that cannot be prepared does not keep the others from it: all
problems are told at once.
"""

if __name__ in ("__main__", "__mp_main__"):  # also where a process that tokenises imports this
    import worker.stages.without_torch  # noqa: F401  for its effect on what follows

from pathlib import Path
from typing import Any

from core.errors import ServiceError
from core.spec import Spec
from core.storage import read_json, write_json
from worker.stages import prepare
from worker.stages.hub import fetch_tokenizer
from worker.stages.memory_limit import limit_memory
from worker.stages.run_dir import Exit, RunDir, StageFailure, StageRun, run_program


class PreflightRun(Spec):
    """`spec.json` of a preflight."""

    stages: tuple[StageRun, ...]
    hub_model: str | None
    """Name of the base model where it is no folder of this machine; of it, config and tokenizer are fetched."""
    hub_revision: str | None = None
    """Commit of it."""
    memory_limit_bytes: int


def main(run: RunDir) -> None:
    """Prepare every stage and write down what came of it."""
    spec = PreflightRun.model_validate(read_json(run.path / "spec.json"))
    limit_memory(spec.memory_limit_bytes)
    stages, problems = spec.stages, []
    if spec.hub_model is not None:
        try:
            folder = fetch_tokenizer(spec.hub_model, spec.hub_revision)
            stages = tuple(stage.model_copy(update={"model": folder, "tokenizer": folder}) for stage in stages)
        except (ServiceError, StageFailure) as error:
            problems.append(_problem(error, "base_model"))
            stages = ()
    found: dict[str, dict[str, Any]] = {}
    for number, stage in enumerate(stages):
        try:
            found[stage.stage.name] = _prepared(run.path / stage.stage.name, stage)
        except (ServiceError, StageFailure) as error:
            problems.append(_problem(error, f"stages[{number}].data"))
    config = read_json(Path(stages[0].tokenizer) / "config.json") if stages else None
    run.finish("preflight", {"stages": found, "problems": problems, "config": config})


def _prepared(folder: Path, stage: StageRun) -> dict[str, Any]:
    """Counts and samples of one stage; the rows themselves are not kept."""
    folder.mkdir(exist_ok=True)
    write_json(folder / "spec.json", stage.model_dump(mode="json"))
    prepare.main(RunDir(folder))
    (folder / "rows.arrow").unlink(missing_ok=True)
    return {"preparation": read_json(folder / "prepare.json"), "preview": read_json(folder / "preview.json")}


def _problem(error: ServiceError | StageFailure, param: str) -> dict[str, Any]:
    if isinstance(error, StageFailure):
        is_passing = error.exit_code == Exit.RETRY
        return {"code": error.code, "message": str(error), "param": param, "is_passing": is_passing}
    return {"code": error.code, "message": error.message, "param": param, "is_passing": False}


if __name__ == "__main__":
    run_program(main)
