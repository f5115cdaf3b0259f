"""A manifest as the merge program writes it, for tests that need some model's."""

from typing import Any

from core import model_registry
from core.db import transaction
from core.health import verdict
from core.manifest import Base, Manifest, RowCounts, Software, SourceRecord, Training
from core.spec import JobSpec
from tests.core.health.traces import CHAT, trace

SPEC = JobSpec.model_validate(
    {"base_model": "./tiny-base", "stages": [{"name": "chat", "data": {"source": "rows.jsonl"}}]}
)


def manifest(**fields: Any) -> Manifest:
    """Of a first stage that went well; `fields` replaces some."""
    steps = trace("demo_chat")
    counts = {"own": 10, "no_call": 0, "replay": 0}
    device = {"backend": "cpu", "name": "2 threads", "base_weights": "nf4", "optimizer": "adamw_torch_fused"}
    base = Base(
        name="./tiny-base",
        id="base:tiny-base:4560a5a7",
        revision=None,
        license=None,
        tokenizer_sha256="a" * 64,
        template_sha256="b" * 64,
    )
    made = Manifest(
        model="ft:tiny-base:default:tuned:abc-chat",
        job_id="ftjob-abc",
        stage="chat",
        created_at=1_795_600_000,
        base=base,
        parent=None,
        data=(SourceRecord(source="rows.jsonl", sha256="c" * 64, size_bytes=1000),),
        rows=RowCounts(
            rows_in=12,
            rows=10,
            dropped={"bad_row": 0, "too_long": 2, "nothing_trained": 0},
            cut=0,
            duplicates=0,
            overlap=0,
            kinds=counts,
            tokens=5000,
            trained_tokens=1500,
            longest=800,
        ),
        spec=SPEC.model_dump(mode="json"),
        stage_spec=SPEC.stages[0].model_dump(mode="json"),
        seed=3407,
        training=Training(steps=63, train_s=35.5, tokens=5000, device=device, health=verdict(steps, CHAT, 63)),
        software=Software(python="3.11.7", packages={"torch": "2.13.0"}, lock_files={"app.txt": "d" * 64}),
        merged_tensors=35,
        stop_token_ids=[2, 0],
        files={"config.json": "e" * 64},
        adapter=None,
    )
    return made.model_copy(update=fields)


def register_models(job: dict[str, Any]) -> None:
    """Register a model of every stage of a job (as the api shows it) whose data sets are all of the hub."""
    spec = JobSpec.model_validate(job["spec"])
    data = tuple(SourceRecord(source=stage.data.source, revision="1" * 40) for stage in spec.stages)
    for stage in spec.stages:
        made = manifest(
            model=f"{stage.name} of {job['id']}",
            job_id=job["id"],
            stage=stage.name,
            data=data,
            stage_spec=stage.model_dump(mode="json"),
        )
        with transaction() as session:
            model_registry.register_model(
                session,
                made.model,
                stage=stage.name,
                base_model=spec.base_model,
                location="/m",
                manifest=made.model_dump(mode="json"),
                job_id=job["id"],
            )
