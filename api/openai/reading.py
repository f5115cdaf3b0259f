"""What a FineTuningJob says beyond the job's own row, read for many jobs at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from api.openai.base_names import shown
from core import files
from core.models import Job, Model

# One look into the index for each stage: metrics are many.
_TRAINED_TOKENS = text("""
SELECT jobs.id, coalesce(sum(last.tokens), 0) AS tokens
FROM jobs
CROSS JOIN LATERAL jsonb_array_elements(jobs.spec -> 'stages') AS wanted
LEFT JOIN LATERAL (
    SELECT tokens FROM metrics
    WHERE job_id = jobs.id AND stage = wanted ->> 'name'
    ORDER BY step DESC LIMIT 1
) AS last ON true
WHERE jobs.id = ANY(:job_ids)
GROUP BY jobs.id
""")


@dataclass
class Facts:
    """Of one job; `models` by stage, in the order in which they were made."""

    base_name: str
    models: dict[str, str] = field(default_factory=dict)
    result_files: list[str] = field(default_factory=list)
    trained_tokens: int = 0


async def facts_of(session: AsyncSession, jobs: Sequence[Job]) -> list[Facts]:
    """In the order of the jobs; one query for each kind of fact."""
    job_ids = [job.id for job in jobs]
    base_names = await shown(session, {job.spec["base_model"] for job in jobs})
    results = await session.run_sync(files.results_of, job_ids)
    tokens = {row.id: int(row.tokens) for row in await session.execute(_TRAINED_TOKENS, {"job_ids": job_ids})}
    made = select(Model.job_id, Model.stage, Model.id).where(Model.job_id.in_(job_ids)).order_by(Model.seq)
    models: dict[str | None, dict[str, str]] = {}
    for job_id, stage, model_id in await session.execute(made):
        models.setdefault(job_id, {})[stage] = model_id
    return [
        Facts(
            base_name=base_names.get(job.spec["base_model"], job.spec["base_model"]),
            models=models.get(job.id, {}),
            result_files=results.get(job.id, []),
            trained_tokens=tokens.get(job.id, 0),
        )
        for job in jobs
    ]
