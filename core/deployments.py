"""Deployments: asking for a model to be served, and recording what the gateway did.

An alias's desired model is its newest deployment that did not fail.  The gateway alone moves a deployment on;
it takes them in order of `seq`, one at a time.  A Session is a transaction that the caller commits.
"""

from typing import Any, Literal

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from core import aliases, model_registry
from core.errors import Conflict, NotFound
from core.ids import new_id
from core.isolation import ACROSS
from core.models import Deployment, Model
from core.projects import DEFAULT
from core.spec import DeploySpec
from core.states import OPEN, DeploymentStatus, check_deployment_move
from core.verdict import Verdict

AS_THE_JOB_SAYS = DeploySpec()
Candidacy = Literal["if_room", "always"]
"""How a model is measured beside what is live: where there is no room, it goes live first, or it does not at all."""


def request(
    session: Session,
    alias: str,
    model_id: str,
    job_id: str | None = None,
    *,
    how: DeploySpec = AS_THE_JOB_SAYS,
    rollback_of: str | None = None,
    project: str | None = None,
    candidate: Candidacy | None = None,
) -> Deployment:
    """Ask for `alias` to serve the model.  If that is already live or under way, return that deployment."""
    return ask(
        session, alias, model_id, job_id, how=how, rollback_of=rollback_of, project=project, candidate=candidate
    )[0]


def ask(
    session: Session,
    alias: str,
    model_id: str,
    job_id: str | None = None,
    *,
    how: DeploySpec = AS_THE_JOB_SAYS,
    rollback_of: str | None = None,
    project: str | None = None,
    candidate: Candidacy | None = None,
    gate: Verdict | None = None,
    forced: str | None = None,
) -> tuple[Deployment, bool]:
    """As `request`; tells as well whether the deployment is new.  The wish is the same whatever its drain and split.

    `gate` is what allows it already, and `forced` why a person wants it whatever that says.

    Conflict when a model that is needed was removed, or has no adapter to be served as, or when the alias is not the
    project's.  Who asks for no project in particular may ask for any alias, and makes a new one that of the model.
    """
    # The alias first, as a rollback locks them: the other way round they could wait for each other.
    lock_alias(session, alias)
    weights_id = _locked_weights(session, model_id, how)
    owner = aliases.claim(session, alias, project, model_registry.get_model(session, model_id).project or DEFAULT)
    newest = desired(session, alias)
    if newest is not None and (newest.model_id, newest.serve_as) == (model_id, how.serve_as):
        return newest, False
    deployment = Deployment(
        id=new_id("dep"),
        project=owner,
        alias=alias,
        model_id=model_id,
        job_id=job_id,
        serve_as=how.serve_as,
        weights_id=weights_id,
        drain=how.drain.model_dump(mode="json"),
        split=how.split.model_dump(mode="json") if how.split else None,
        candidate=candidate,
        gate=None if gate is None else gate.model_dump(mode="json"),
        forced=forced,
        rollback_of=rollback_of,
    )
    session.add(deployment)
    session.flush()
    session.refresh(deployment)
    return deployment, True


def lock_alias(session: Session, alias: str) -> None:
    """Keep every other wish for the alias waiting until the end of the transaction."""
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(alias, 0))))


def _locked_weights(session: Session, model_id: str, how: DeploySpec) -> str:
    """The id of the model whose weights vLLM must hold; Conflict when the model cannot be served in this way.

    The rows that are needed are locked against `core.retention`, which so waits for this deployment and finds it, or
    has removed a model before.
    """
    base_id = select(Model.base_id).where(Model.id == model_id).scalar_subquery()
    needed = (Model.id == model_id) | (Model.id == base_id) if how.serve_as == "adapter" else Model.id == model_id
    query = select(Model).where(needed).order_by(Model.id).with_for_update(read=True)
    found = session.scalars(query, execution_options={"populate_existing": True})
    models = {model.id: model for model in found}
    if model_id not in models:
        raise model_registry.no_model(model_id)
    model = models[model_id]
    _check_kept(model)
    if how.serve_as == "merged":
        return model.id
    base = models.get(model.base_id or "")
    if base is None or model.adapter_rank is None:
        raise Conflict(
            f"model {model.id!r} has no adapter: deploy it with serve_as `merged`, or deploy a model that a job made",
            param="serve_as",
        )
    _check_kept(base)
    return base.id


def _check_kept(model: Model) -> None:
    if model.removed_at is not None:
        raise Conflict(
            f"model {model.id!r} was removed on {model.removed_at:%Y-%m-%d at %H:%M} UTC: "
            "deploy another one (GET /models), or train it again",
            param="model",
        )


def get(session: Session, deployment_id: str) -> Deployment:
    """The deployment, or NotFound."""
    deployment = session.get(Deployment, deployment_id)
    if deployment is None:
        raise NotFound(f"no deployment {deployment_id!r}", param="deployment_id")
    return deployment


def desired(session: Session, alias: str) -> Deployment | None:
    """The alias's newest deployment that is live or on its way."""
    wanted = (*OPEN, DeploymentStatus.LIVE)
    query = select(Deployment).where(Deployment.alias == alias, Deployment.status.in_(wanted))
    return session.scalar(query.order_by(Deployment.seq.desc()).limit(1))


def live_on(session: Session, alias: str) -> Deployment | None:
    """What the alias serves now."""
    query = select(Deployment).where(Deployment.alias == alias, Deployment.status == DeploymentStatus.LIVE)
    return session.scalar(query)


def live_aliases(session: Session) -> set[str]:
    """The aliases that serve something."""
    return set(session.scalars(select(Deployment.alias).where(Deployment.status == DeploymentStatus.LIVE)))


def places(session: Session) -> dict[str, int]:
    """How many deployments the gateway has to carry out before each open one, by id; 0 is the one in work."""
    query = select(Deployment.id).where(Deployment.status.in_(OPEN)).order_by(Deployment.seq)
    ids = session.scalars(query, execution_options=ACROSS)
    return {deployment_id: place for place, deployment_id in enumerate(ids)}


def replaced_by(session: Session, alias: str, model_id: str, job_id: str) -> str | None:
    """The model that took the place of the job's own one, if that was live and is wanted no more."""
    was_live = select(Deployment.id).join(Model, Model.id == Deployment.model_id)
    was_live = was_live.where(Deployment.alias == alias, Deployment.job_id == job_id, Model.id == model_id)
    # One of the same name that the job has made anew since then has yet to have its turn.
    was_live = was_live.where(Deployment.live_at >= Model.created_at)
    newest = desired(session, alias)
    if newest is None or newest.model_id == model_id or session.scalar(was_live.limit(1)) is None:
        return None
    return newest.model_id


def withdraw(session: Session, job_id: str, *, also_trials: bool = False) -> None:
    """Take back what a job asked for, unless the gateway is putting it in place already, or tries it.

    A candidate waits for the run that measures it, and for no other: what comes after it in the queue must not.
    """
    back = {DeploymentStatus.PENDING, DeploymentStatus.STAGING, DeploymentStatus.CANDIDATE}
    back |= {DeploymentStatus.TRIAL} if also_trials else set()
    session.execute(
        update(Deployment)
        .where(Deployment.job_id == job_id, Deployment.status.in_(back))
        .values(status=DeploymentStatus.SUPERSEDED)
    )


def next_open(session: Session) -> tuple[Deployment, Model] | None:
    """The oldest deployment that the gateway has still to carry out, with its model."""
    query = select(Deployment, Model).join(Model, Model.id == Deployment.model_id)
    query = query.where(Deployment.status.in_(OPEN)).order_by(Deployment.seq).limit(1)
    row = session.execute(query).one_or_none()
    return None if row is None else (row[0], row[1])


def reopen(session: Session) -> None:
    """Take up again what a gateway that is gone had begun; only a gateway that starts may call this."""
    begun = OPEN - {DeploymentStatus.PENDING}
    session.execute(update(Deployment).where(Deployment.status.in_(begun)).values(status=DeploymentStatus.PENDING))


def show_trial(session: Session, deployment_id: str, trial: dict[str, Any]) -> None:
    """Write down how a trial goes, while it lasts."""
    session.execute(
        update(Deployment)
        .where(Deployment.id == deployment_id, Deployment.status == DeploymentStatus.TRIAL)
        .values(trial=trial)
    )


def advance(
    session: Session,
    deployment_id: str,
    target: DeploymentStatus,
    *,
    strategy: str | None = None,
    reason: str | None = None,
    timings: dict[str, Any] | None = None,
    trial: dict[str, Any] | None = None,
    error: str | None = None,
) -> None:
    """Move a deployment on.

    Making one live supersedes, in the same transaction, what was live under its alias and every deployment that needs
    other weights: the endpoint holds one model's weights, with adapters beside them, and no other may be called live.
    """
    query = select(Deployment).where(Deployment.id == deployment_id).with_for_update()
    deployment = session.scalar(query, execution_options={"populate_existing": True})
    if deployment is None:
        raise NotFound(f"no deployment {deployment_id!r}", param="deployment_id")
    check_deployment_move(deployment_id, deployment.status, target)
    if target == DeploymentStatus.LIVE:
        session.execute(
            update(Deployment)
            .where(
                Deployment.status == DeploymentStatus.LIVE,
                or_(Deployment.alias == deployment.alias, Deployment.weights_id != deployment.weights_id),
            )
            .values(status=DeploymentStatus.SUPERSEDED)
        )
        deployment.live_at = func.now()
    deployment.status = target
    deployment.strategy = strategy or deployment.strategy
    deployment.reason = reason or deployment.reason
    deployment.timings = timings or deployment.timings
    deployment.trial = trial or deployment.trial
    deployment.error = error
