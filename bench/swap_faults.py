"""kill -9 of vLLM and of the gateway in every phase of a swap, under streaming clients.

The phase that was hit is read from the gateway's log afterwards: one that lasts milliseconds may just have ended.
"""

import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.swap_clients import Answer, Clients
from bench.swap_expected import LIVE_WITHIN_S, Expected
from bench.swap_rig import TWO, Rig
from bench.waiting import wait_until

PHASES = ("stage", "drain", "commit", "check", "live")
VICTIMS = ("vllm", "gateway")
AIMS = 3
"""So often a phase is aimed at until it is hit."""
BACK_WITHIN_S = 300
LATER_S = 0.03
"""A kill comes at a random moment within so long after the log says that the phase has begun."""


@dataclass(frozen=True)
class Strike:
    """One kill: what it hit, and what became of it."""

    killed: str
    aimed: str
    phase: str
    back_s: float | None
    """From the kill to the first text of an answer."""
    serves: str | None
    """The model that answered every prompt in the end, which is the one that the rows call live."""
    deployment: str
    """Its last status, or `stuck`."""
    error: str | None
    lost: int
    """Requests under way at the kill that failed."""
    refused: int
    """Requests sent while there was no gateway."""
    failed_after: int
    """Requests that failed though they were sent to a gateway that was there, after the kill."""
    mixed: int
    ok: bool


def measure(rig: Rig, say: Callable[[str], None]) -> dict[str, Any]:
    """Kill each victim in each phase, of a swap to whichever of the two models is not live."""
    if rig.deployer.live() not in TWO:
        rig.deployer.ended(rig.deployer.ask(rig.other()), LIVE_WITHIN_S)
    strikes: list[Strike] = []
    for victim in VICTIMS:
        for aimed in PHASES:
            for _ in range(AIMS):
                strikes.append(strike(rig, victim, aimed))
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


def strike(rig: Rig, victim: str, aimed: str) -> Strike:
    """Ask for the other model, kill the victim in that phase, and follow what comes of it."""
    with rig.streaming() as clients:
        clients.wait_for_each()
        old, new = rig.deployer.live(), rig.other()
        deployment_id = rig.deployer.ask(new)
        wait_until(lambda: aimed in _phases(rig, deployment_id), BACK_WITHIN_S, 0.001)
        time.sleep(random.uniform(0, LATER_S))
        killed_s = time.monotonic()
        (rig.gateway.kill_vllm if victim == "vllm" else rig.gateway.kill)()
        phase = _phases(rig, deployment_id)[-1]
        if victim == "gateway":
            rig.gateway.start()
        up_s = time.monotonic() if victim == "gateway" else killed_s
        status, error, serves = _end(rig, clients, deployment_id)
        seen = _seen(clients.overlapping(killed_s, time.monotonic()), killed_s, up_s, rig.expected)
    right = {"live": serves == new, "failed": serves == old and bool(error)}
    ok = right.get(status, False) and not seen["failed_after"] and not seen["mixed"]
    back_s = _back_s(clients, killed_s)
    return Strike(victim, aimed, phase, back_s, serves, status, error, **seen, ok=ok)


def _end(rig: Rig, clients: Clients, deployment_id: str) -> tuple[str, str | None, str | None]:
    """The deployment's last status and error, and the live model, once that has answered every prompt."""
    try:
        deployment = rig.deployer.ended(deployment_id, BACK_WITHIN_S)
    except TimeoutError as error:
        return "stuck", str(error), None
    try:
        live = rig.deployer.live()
        clients.wait_for_each(1, time.monotonic(), live, BACK_WITHIN_S)
    except TimeoutError as error:
        return deployment.status, str(error), None
    return deployment.status, deployment.error, live


def _seen(answers: list[Answer], killed_s: float, up_s: float, expected: Expected) -> dict[str, int]:
    """What became of the requests that were under way at the kill, or sent after it."""
    failed = [answer.sent_s for answer in answers if answer.failure is not None]
    return {
        "lost": sum(sent_s < killed_s for sent_s in failed),
        "refused": sum(killed_s <= sent_s < up_s for sent_s in failed),
        "failed_after": sum(sent_s >= up_s for sent_s in failed),
        "mixed": sum(map(expected.is_mixed, answers)),
    }


def _back_s(clients: Clients, killed_s: float) -> float | None:
    firsts = [answer.first_s for answer in clients.answers if answer.failure is None and answer.first_s is not None]
    return min((round(first_s - killed_s, 3) for first_s in firsts if first_s > killed_s), default=None)


def _phases(rig: Rig, deployment_id: str) -> list[str]:
    """The phases of the deployment that have begun, in their order; `live` is the last one."""
    log = rig.gateway.log()
    found = re.findall(rf"rollout\.phase deployment_id={deployment_id} phase=(\w+)", log)
    return [*found, *(["live"] if f"deployment.live deployment_id={deployment_id} " in log else [])]
