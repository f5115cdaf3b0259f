"""Deployments as they are asked for and as they stand, and the aliases that they serve."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, StringConstraints

from api.schemas.times import unix_seconds
from core.aliases import Alias, AliasState
from core.models import Deployment
from core.spec import ConditionsSpec, DrainSpec, ServeAs, Spec, SplitSpec
from core.states import DeploymentStatus
from core.verdict import Verdict

Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class DeploymentRequest(Spec):
    """The body of `POST /deployments`."""

    model: str = Field(min_length=1, max_length=500, description="id of a model in GET /models")
    alias: Alias | None = Field(
        None,
        description="public name to serve it under; when absent VLLM_MODEL_NAME, behind `PROJECT/` for projects "
        "other than `default`",
    )
    serve_as: ServeAs = Field(
        "merged", description="merged: its weights replace those served; adapter: beside others on the served base"
    )
    drain: DrainSpec = DrainSpec()
    split: SplitSpec | None = Field(None, description="try it on a share of the requests first; not when absent")
    gate: ConditionsSpec | None = Field(
        None, description="what the model's last measurement must hold, or the answer is a 409 `gate_failed`"
    )
    force: Reason | None = Field(None, description="why a model whose gate has failed is to go live all the same")


class DeploymentView(BaseModel):
    """A wish that the endpoint serves a model under `alias`, and what became of it."""

    id: str
    object: Literal["deployment"] = "deployment"
    alias: str
    model: str
    serve_as: str = Field(description="merged or adapter")
    weights: str = Field(description="the model whose weights vLLM holds for it: itself, or the base of its adapter")
    job_id: str | None = Field(description="the job that asked for it; null when a person did")
    status: DeploymentStatus
    queue_position: int | None = Field(
        description="how many deployments come before it; 0 is in work, null has no turn to wait for"
    )
    strategy: str | None = Field(description="how it was put in place; null until the gateway has chosen")
    reason: str | None = Field(description="why in this way")
    timings: dict[str, Any] | None = Field(description="seconds by phase, and `total_s`")
    # Not DrainSpec and SplitSpec: a deployment stored under older rules must still be shown.
    drain: dict[str, Any] = Field(description="how it waits for answers under way; defaults where it says nothing")
    split: dict[str, Any] | None = Field(description="the trial that was asked for")
    candidate: str | None = Field(
        description="if_room or always: it is measured beside what is live, and else goes live first, or not at all"
    )
    gate: Verdict | None = Field(description="what was found out about whether it may be live")
    forced: str | None = Field(description="why a person wants it live, whatever that says")
    trial: dict[str, Any] | None = Field(description="how the trial goes: counts, and the verdict at its end")
    rollback_of: str | None = Field(description="the deployment that this one takes back")
    error: str | None
    created_at: int
    live_at: int | None

    @classmethod
    def of(cls, deployment: Deployment, places: dict[str, int]) -> Self:
        """`places` is `core.deployments.places`."""
        return cls(
            id=deployment.id,
            alias=deployment.alias,
            model=deployment.model_id,
            serve_as=deployment.serve_as,
            weights=deployment.weights_id,
            job_id=deployment.job_id,
            status=deployment.status,
            queue_position=places.get(deployment.id),
            strategy=deployment.strategy,
            reason=deployment.reason,
            timings=deployment.timings,
            drain=deployment.drain,
            split=deployment.split,
            candidate=deployment.candidate,
            gate=deployment.gate and Verdict.model_validate(deployment.gate),
            forced=deployment.forced,
            trial=deployment.trial,
            rollback_of=deployment.rollback_of,
            error=deployment.error,
            created_at=unix_seconds(deployment.created_at),
            live_at=unix_seconds(deployment.live_at),
        )


class ServedView(BaseModel):
    """What an alias serves, or served."""

    deployment_id: str
    model: str
    serve_as: str
    live_at: int | None

    @classmethod
    def of(cls, deployment: Deployment) -> Self:
        return cls(
            deployment_id=deployment.id,
            model=deployment.model_id,
            serve_as=deployment.serve_as,
            live_at=unix_seconds(deployment.live_at),
        )


class AliasView(BaseModel):
    """A public name, and where it leads."""

    alias: str
    object: Literal["alias"] = "alias"
    live: ServedView | None = Field(description="what it serves now, and since when; null until something is live")
    previous: ServedView | None = Field(description="what a rollback of that would bring back")
    in_progress: DeploymentView | None = Field(description="the deployment of this alias whose turn is next, or now")

    @classmethod
    def of(cls, state: AliasState, places: dict[str, int]) -> Self:
        return cls(
            alias=state.alias,
            live=state.live and ServedView.of(state.live),
            previous=state.previous and ServedView.of(state.previous),
            in_progress=state.in_progress and DeploymentView.of(state.in_progress, places),
        )
