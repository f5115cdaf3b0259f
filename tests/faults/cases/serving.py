"""Faults of the endpoint: the gateway and vLLM.  They need the vLLM environment, and a free core to be quick."""

from collections.abc import Callable

from sqlalchemy import select

from core.models import Deployment, Job, Model
from core.settings import Settings
from tests.faults.cases.registry import Skipped, case, has_result, survives
from tests.faults.faults import kill, until_gone
from tests.faults.workload import SHORT, deployed
from tests.faults.world import Training, World
from tests.waiting import wait_until

LIVE_S = 600


@case
def gateway_killed_while_deploying(world: World) -> None:
    """The gateway dies while a job's model is on its way to the endpoint: the model gets there, once."""
    _goes_live_all_the_same(world, lambda: kill(world.system.census().gateway()))


@case
def postgres_killed_while_deploying(world: World) -> None:
    """kill -9 of Postgres at that moment: the deployment is taken up again, and the model gets there, once."""

    def strike() -> int:
        servers = world.system.census().postgres()
        killed = kill(servers)
        until_gone(servers, 30)
        return killed

    _goes_live_all_the_same(world, strike)


@case
def vllm_killed(world: World) -> None:
    """vLLM dies beside a running training: the training does not notice, and the same model is served again."""
    _needs_vllm()
    model = live_model(world)

    def strike(_: Training) -> None:
        assert kill(world.system.census().vllm()) >= 1

    survives(world, strike, run_is_lost=False)
    serves(world, model)


def has_vllm() -> bool:
    """Whether the vLLM environment is set up."""
    return bool(Settings.model_fields["vllm_python"].default.exists())


def live_model(world: World) -> str:
    """The model that is live; a job's, run now, when none is."""
    if not _live_models(world):
        job_id = world.submit(SHORT[0], deployed(SHORT[0]))
        world.system.wait_for(job_id, "succeeded", deadline_s=LIVE_S)
    [model] = _live_models(world)
    return model


def _goes_live_all_the_same(world: World, strike: Callable[[], int]) -> None:
    _needs_vllm()
    job_id = world.submit(SHORT[0], deployed(SHORT[0]))
    world.system.wait_for(job_id, "deploying")
    wait_until(lambda: world.system.census().vllm() or _status(world, job_id) in {"staging", "swapping"}, 60)
    assert strike() == 1
    world.system.wait_for(job_id, "succeeded", deadline_s=LIVE_S)
    has_result(world, job_id, SHORT[0])
    assert _live_models(world) == [_model_of(world, job_id)]
    serves(world, _model_of(world, job_id))


def _needs_vllm() -> None:
    if not has_vllm():
        raise Skipped("the vLLM environment is not here")


def _status(world: World, job_id: str) -> str | None:
    query = select(Deployment.status).where(Deployment.job_id == job_id).order_by(Deployment.seq.desc()).limit(1)
    found: str | None = world.system.rows(lambda session: session.scalar(query))
    return found


def _model_of(world: World, job_id: str) -> str:
    found: str = world.system.rows(lambda s: s.scalar(select(Model.id).join(Job).where(Model.job_id == job_id)))
    return found


def _live_models(world: World) -> list[str]:
    query = select(Deployment.model_id).where(Deployment.status == "live")
    return list(world.system.rows(lambda session: session.scalars(query).all()))


def serves(world: World, model: str) -> None:
    """A request gets an answer of this very model."""
    question = {"model": "tunesmith", "prompt": "Say 1", "max_tokens": 4}

    def answered() -> bool:
        answer = world.system.request("POST", "/v1/completions", json=question)
        return answer.is_success and answer.headers["x-tunesmith-model-version"] == model

    wait_until(answered, LIVE_S, every_s=0.5)
