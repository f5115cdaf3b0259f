"""What a gate needs to know, gathered from the evaluations and answers that are stored."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import aliases, deployments, model_registry, pairing
from core.errors import GateFailed
from core.gate import LiveComparison, judge
from core.models import Evaluation, Job
from core.spec import ConditionsSpec, JobSpec
from core.verdict import Verdict


def newest_evaluation(session: Session, model_id: str) -> Evaluation | None:
    """The last measurement of a model, by whichever job that the session may see."""
    query = select(Evaluation).join(Job, Job.id == Evaluation.job_id).where(Evaluation.model_id == model_id)
    return session.scalar(query.order_by(Evaluation.created_at.desc()).limit(1))


def live_beside(session: Session, alias: str, model_id: str) -> str | None:
    """What the alias serves apart from this model: the model that it is compared with."""
    live = deployments.live_on(session, alias)
    if live is not None and live.model_id == model_id:
        live = aliases.served_before(session, live)
    return None if live is None else live.model_id


def compare_with_live(session: Session, live_id: str | None, newer: pairing.Answers) -> LiveComparison:
    """The answers that are there of both."""
    if live_id is None:
        return LiveComparison(None, {})
    found = pairing.compare_answers(session, pairing.of_model(live_id), newer)
    return LiveComparison(live_id, found, "they have answered no row in common")


def allowed(
    session: Session, model_id: str, alias: str, conditions: ConditionsSpec | None, force: str | None
) -> Verdict | None:
    """What is known of whether the model may be live; GateFailed when it may not, and nobody says why it should."""
    known = model_registry.gate_of(session, model_id)
    found = [] if known is None else [*known.conditions]
    if conditions is not None:
        asked = judge_stored(session, model_id, conditions, alias).conditions
        found = [each for each in found if each.name not in {new.name for new in asked}] + [*asked]
    if not found:
        return None
    verdict = Verdict.of(found)
    if not verdict.passed and force is None:
        raise GateFailed(
            f"{model_id} does not hold what it must before it goes live: {'; '.join(verdict.failures)}: deploy another "
            "model, or say with `force` why this one is wanted all the same",
            param="model",
        )
    return verdict


def judge_stored(session: Session, model_id: str, conditions: ConditionsSpec, alias: str) -> Verdict:
    """The verdict on a model by its last measurement; GateFailed when it was never measured."""
    evaluation = newest_evaluation(session, model_id)
    if evaluation is None:
        raise GateFailed(f"{model_id} was never measured, so its gate cannot be judged: leave out `gate`", param="gate")
    live_id = live_beside(session, alias, model_id)
    return judge(
        conditions,
        evaluation.scores,
        before=_stage_before(session, evaluation),
        live=compare_with_live(session, live_id, pairing.of_model(model_id)) if conditions.no_regression else None,
    )


def _stage_before(session: Session, evaluation: Evaluation) -> str | None:
    spec = JobSpec.model_validate(session.get_one(Job, evaluation.job_id).spec)
    is_stage = evaluation.stage in [stage.name for stage in spec.stages]
    return spec.stage_before(evaluation.stage) if is_stage else None
