"""A training that runs out of memory goes on with smaller micro-batches, in the same run, and the job says so."""

import json
from pathlib import Path

import pytest
from sqlalchemy import select

from core import jobs, runs
from core.db import transaction
from core.machine import has_gpu
from core.models import Event, Metric
from core.spec import JobSpec
from core.storage import read_json, stage_dir
from tests.conftest import Services, forget_settings
from tests.core.sessions import DEVICE
from worker.lease import LeaseKeeper
from worker.runner import JobRun

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(has_gpu(), reason="the limit holds for training on the CPU"),
]
ROW = {
    "messages": [{"role": "user", "content": "Count"}, {"role": "assistant", "content": "red green blue one two " * 60}]
}


def test_half_the_micro_batch_learns_the_same_rows_per_step(
    database: Services, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the program takes by itself, and somewhat less than eight rows of a thousand tokens need.
    monkeypatch.setenv("TUNESMITH_WORKER_MEMORY_GB", "0.85")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    forget_settings()
    (database.data_root / "rows.jsonl").write_text(f"{json.dumps(ROW)}\n" * 8)
    stage = {
        "name": "chat",
        "data": {"source": "rows.jsonl"},
        "lora": {"r": 4, "target_modules": ["q_proj", "v_proj"]},
        "max_seq_length": 2048,
        "batch_size": 8,
        "gradient_accumulation_steps": 1,
    }
    spec = JobSpec.model_validate({"base_model": str(tiny_base), "stages": [stage]})
    plan = {"stages": [{"name": "chat", "rows": None, "steps": None}], "total_steps": None}
    with transaction() as session:
        job_id = jobs.create(session, spec, plan).id
    with transaction() as session:
        lease = runs.claim(session, "worker", DEVICE, 600)
    assert lease is not None

    run = JobRun(spec, LeaseKeeper(lease))
    run._prepare(spec.stages[0])
    run._train(spec.stages[0])

    with transaction() as session:
        adjustments = jobs.get(session, job_id).adjustments
        events = list(session.scalars(select(Event.message).where(Event.type == "run.adjusted").order_by(Event.id)))
        steps = list(session.scalars(select(Metric.step).where(Metric.job_id == job_id)))
    assert adjustments is not None
    smaller = adjustments["chat"]
    assert smaller["batch_size"] < 8
    assert smaller["batch_size"] * smaller["gradient_accumulation_steps"] == 8
    assert events[0].startswith("Out of memory: chat goes on with batch_size 4 instead of 8 and gradient_accumulation")
    assert steps == [1]
    trained = read_json(stage_dir(job_id, "chat") / f"run-{lease.attempt}" / "spec.json")["stage"]
    assert {key: trained[key] for key in smaller} == smaller
