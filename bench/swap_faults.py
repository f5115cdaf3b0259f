"""kill -9 of vLLM and of the gateway in every phase of a swap, under streaming clients.

The phase that was hit is read from the gateway's log afterwards: one that lasts milliseconds may just have ended.
"""

import random
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.deploying import Deployer
from bench.gateway_process import Gateway
from bench.swap_clients import Answer, Clients
from bench.swap_expected import LIVE_WITHIN_S, Expected
from bench.waiting import wait_until

PHASES = ("stage", "drain", "commit", "check", "live")
VICTIMS = ("vllm", "gateway")
AIMS = 3
"""So often a phase is aimed at until it is hit."""
BACK_WITHIN_S = 300
_AT_ONCE_S, _LATER_S = 0.0, 0.03
"""A kill comes at a random moment between the two after the beginning of the phase is in the log."""


@dataclass(frozen=True)
class Strike:
    """One kill: what it hit, and what became of it."""

    killed: str
    aimed: str
    phase: str
    back_s: float
    """From the kill to the first text of an answer."""
    serves: str | None
    """The model that answered in the end."""
    deployment: str
    lost: int
    """Requests under way at the kill that failed."""
    refused: int
    """Requests sent while there was no gateway."""
    failed_after: int
    """Requests that failed though they were sent when there was one, and no old vLLM."""
    mixed: int
    error: str | None
    ok: bool


def measure(
    gateway: Gateway,
    deployer: Deployer,
    expected: Expected,
    models: Sequence[str],
    clients: int,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Kill each victim in each phase, of a swap to whichever of the two models is not live."""
    if deployer.live() not in models:
        deployer.ended(deployer.ask(models[-1]), LIVE_WITHIN_S)
    strikes: list[Strike] = []
    for victim in VICTIMS:
        for aimed in PHASES:
            for _ in range(AIMS):
                with Clients(gateway.url, gateway.key, expected.prompts, clients).running() as streaming:
                    streaming.wait_for_each()
                    [model_id] = set(models) - {deployer.live()}
                    strikes.append(_strike(victim, aimed, gateway, deployer, streaming, expected, model_id))
                say(f"fault: {strikes[-1]}")
                if strikes[-1].phase == aimed:
                    break
    hit = {(strike.killed, strike.phase) for strike in strikes}
    return {
        "faults": [vars(strike) for strike in strikes],
        "faults_not_ok": sum(not strike.ok for strike in strikes),
        "failed_after_recovery": sum(strike.failed_after for strike in strikes),
        "phases_never_hit": [f"{v} {p}" for v in VICTIMS for p in PHASES if (v, p) not in hit],
    }


def _strike(
    victim: str,
    aimed: str,
    gateway: Gateway,
    deployer: Deployer,
    clients: Clients,
    expected: Expected,
    model_id: str,
) -> Strike:
    deployment_id = deployer.ask(model_id)
    wait_until(lambda: aimed in _phases(gateway, deployment_id), BACK_WITHIN_S, 0.001)
    time.sleep(random.uniform(_AT_ONCE_S, _LATER_S))
    killed_s = time.monotonic()
    if victim == "vllm":
        gateway.kill_vllm()
    else:
        gateway.kill()
    phase = _phases(gateway, deployment_id)[-1]
    if victim == "gateway":
        gateway.start()
    up_s = time.monotonic() if victim == "gateway" else killed_s
    deployment = deployer.ended(deployment_id, BACK_WITHIN_S)
    live = deployer.live()
    served = clients.wait_for_each(1, time.monotonic(), live, BACK_WITHIN_S)
    answers = clients.overlapping(killed_s, time.monotonic())
    failed = [answer for answer in answers if answer.failure is not None]
    mixed = sum(map(expected.is_mixed, answers))
    failed_after = [answer for answer in failed if answer.sent_s >= up_s]
    return Strike(
        killed=victim,
        aimed=aimed,
        phase=phase,
        back_s=round(_first_text_after(killed_s, answers) - killed_s, 3),
        serves=served[0].version,
        deployment=deployment.status,
        lost=sum(answer.sent_s < killed_s for answer in failed),
        refused=sum(killed_s <= answer.sent_s < up_s for answer in failed),
        failed_after=len(failed_after),
        mixed=mixed,
        error=deployment.error or next((answer.failure for answer in failed_after), None),
        ok=not failed_after
        and not mixed
        and (deployment.status == "live" or deployment.error is not None)
        and live == (model_id if deployment.status == "live" else live),
    )


def _first_text_after(killed_s: float, answers: Sequence[Answer]) -> float:
    return min(a.first_s for a in answers if a.failure is None and a.first_s is not None and a.first_s > killed_s)


def _phases(gateway: Gateway, deployment_id: str) -> list[str]:
    """The phases of the deployment that have begun, in their order; `live` is the last one."""
    found = re.findall(rf"rollout\.phase deployment_id={deployment_id} phase=(\w+)", gateway.log())
    return [*found, *(["live"] if f"deployment.live deployment_id={deployment_id}" in gateway.log() else [])]
