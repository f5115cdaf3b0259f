"""Makes the scorecard of a job from its rows: evaluations, answers, deployments.

Every function takes a sync Session inside a transaction of the caller (the api uses `AsyncSession.run_sync`).
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.answers import BASE, answer_id, measured
from core.cost import of_job
from core.errors import NotFound
from core.health import Health
from core.model_registry import get_model
from core.models import Deployment, Evaluation, EvaluationAnswer, Job, Model
from core.pairing import Answers, Pair, compare_answers, examples, of_model, of_stage
from core.scorecard.card import (
    ALPHA,
    Comparison,
    Difference,
    Example,
    ModelAnswer,
    PairedFigures,
    Reason,
    Scorecard,
    Side,
    StageCard,
)
from core.scorecard.figures import Scores
from core.significance import Paired
from core.verdict import Verdict

EXAMPLES = 10
"""Of the rows that were won, and of those that were lost, in each suite."""


def scorecard(session: Session, job: Job, examples_each: int = EXAMPLES, health: Sequence[Health] = ()) -> Scorecard:
    """Of all models that were measured so far; NotFound when there is none."""
    evaluations = measured(session, job)
    gates = _gates(session, [evaluation.model_id for evaluation in evaluations])
    stages = [_stage(evaluation, gates.get(evaluation.model_id)) for evaluation in evaluations]
    if not stages:
        problem = f"job {job.id} is {job.status} and has no scores yet: they appear when its first model is measured"
        raise NotFound(problem, param="job_id")
    return Scorecard(
        job_id=job.id,
        base_model=job.spec["base_model"],
        status=job.status,
        headline=stages[-1].scores.headline,
        stages=tuple(stages),
        comparisons=tuple(_comparisons(session, job, stages, examples_each)),
        health=tuple(health),
        cost=of_job(session, job),
    )


def live_before(session: Session, job: Job) -> str | None:
    """The model that users got before the job's first deployment: from the same alias, and by another wish."""
    first = session.scalar(select(Deployment).where(Deployment.job_id == job.id).order_by(Deployment.seq).limit(1))
    if first is None:
        return None
    earlier = (
        select(Deployment.model_id)
        .where(Deployment.alias == first.alias, Deployment.seq < first.seq, Deployment.live_at.is_not(None))
        .order_by(Deployment.live_at.desc())
        .limit(1)
    )
    return session.scalar(earlier)


def compare_models(
    session: Session, older: tuple[Side, Answers], newer: tuple[Side, Answers], reason: Reason, examples_each: int
) -> Comparison:
    """Both models on the rows that both have answered, with the first rows on which they differ."""
    counted = compare_answers(session, older[1], newer[1])
    won = _by_suite(examples(session, older[1], newer[1], won=True, limit=examples_each))
    lost = _by_suite(examples(session, older[1], newer[1], won=False, limit=examples_each))
    suites = {
        suite: PairedFigures(
            n=paired.n,
            won=paired.won,
            lost=paired.lost,
            p_value=paired.p_value,
            difference=_difference(paired),
            examples_won=tuple(won.get(suite, ())),
            examples_lost=tuple(lost.get(suite, ())),
        )
        for suite, paired in counted.items()
    }
    return Comparison(reason=reason, older=older[0], newer=newer[0], suites=suites)


def compare_by_id(session: Session, older: str, newer: str, examples_each: int = EXAMPLES) -> Comparison:
    """Two models, whichever jobs measured them; NotFound for an unknown one."""
    sides = [(Side(name=get_model(session, model).id, model=model), of_model(model)) for model in (older, newer)]
    return compare_models(session, sides[0], sides[1], "asked", examples_each)


def _gates(session: Session, model_ids: Sequence[str]) -> dict[str, Verdict]:
    """What the gates found out about the models."""
    query = select(Model.id, Model.gate).where(Model.id.in_(model_ids), Model.gate.is_not(None))
    return {model_id: Verdict.model_validate(gate) for model_id, gate in session.execute(query)}


def _stage(evaluation: Evaluation, gate: Verdict | None) -> StageCard:
    return StageCard(
        name=evaluation.stage,
        model=evaluation.model_id,
        measured_at=int(evaluation.created_at.timestamp()),
        scores=Scores.model_validate(evaluation.scores),
        gate=gate,
    )


def _comparisons(session: Session, job: Job, stages: Sequence[StageCard], examples_each: int) -> Iterator[Comparison]:
    """Each stage against the one before; the newest one also against what was live before, and against the base."""
    sides = [(Side(name=stage.name, model=stage.model), of_stage(job.id, stage.name)) for stage in stages]
    wanted: list[tuple[Reason, tuple[Side, Answers], tuple[Side, Answers]]] = []
    wanted += [("stage_before", older, newer) for older, newer in pairwise(sides)]
    known = {side.model for side, _ in sides}
    live = live_before(session, job)
    if live is not None and live not in known:
        wanted.append(("live_before", (Side(name=live, model=live), of_model(live)), sides[-1]))
    if len(sides) > 2 and sides[0][0].name == BASE:
        wanted.append(("base", sides[0], sides[-1]))
    for reason, older, newer in wanted:
        yield compare_models(session, older, newer, reason, examples_each)


def _difference(paired: Paired) -> Difference:
    if paired.p_value >= ALPHA:
        return "no_difference"
    return "better" if paired.won > paired.lost else "worse"


def _by_suite(found: Sequence[Pair]) -> dict[str, list[Example]]:
    suites: dict[str, list[Example]] = {}
    for before, after in found:
        suites.setdefault(after.suite, []).append(_example(before, after))
    return suites


def _example(before: EvaluationAnswer, after: EvaluationAnswer) -> Example:
    return Example(
        id=answer_id(after),
        kind=after.kind,
        question=after.question,
        tools=after.tools,
        expected=after.expected,
        older=model_answer(before),
        newer=model_answer(after),
    )


def model_answer(row: EvaluationAnswer) -> ModelAnswer:
    """What was answered, and the verdict."""
    given = {name: row.answer[name] for name in ("calls", "content", "finish_reason")}
    return ModelAnswer(**given, correct=row.correct, fault=row.fault)
