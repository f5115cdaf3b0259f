"""Models exchanged one after the other under streaming clients, and what the clients see of it."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import monotonic
from typing import Any

from bench.swap_clients import Answer, Clients
from bench.swap_expected import LIVE_WITHIN_S, Expected
from bench.swap_rig import Rig

STALL_ALLOWED_S = 0.5
"""Beyond the longest answer that had to end first."""


@dataclass
class Round:
    """One change of the model: from asking for it to its being live, by the monotonic clock."""

    model_id: str
    asked_s: float
    live_s: float
    timings: dict[str, float]

    def waits_s(self, clients: Clients) -> list[float]:
        """The longest wait for a first text of each client that waited at all."""
        waits: dict[int, float] = {}
        for answer in clients.overlapping(self.asked_s, self.live_s):
            if answer.first_s is not None and answer.first_s >= self.asked_s:
                waits[answer.client] = max(waits.get(answer.client, 0.0), answer.waited_s)
        return list(waits.values())

    def longest_running_s(self, clients: Clients) -> float:
        """Seconds of the longest answer of the old model that had to end first."""
        found = clients.overlapping(self.asked_s, self.live_s)
        return max(answer.ended_s - answer.sent_s for answer in found if answer.version != self.model_id)


def change(rig: Rig, clients: Clients, model_id: str, strategy: str, say: Callable[[str], None]) -> Round:
    """Ask for the model, and wait until it has answered every prompt; RuntimeError when it comes by another way."""
    asked_s = monotonic()
    deployment = rig.deployer.ended(rig.deployer.ask(model_id), LIVE_WITHIN_S)
    live_s = monotonic()
    if (deployment.status, deployment.strategy) != ("live", strategy):
        raise RuntimeError(f"{model_id} is {deployment.status} by {deployment.strategy}: {deployment.error}")
    clients.wait_for_each(1, live_s, model_id)
    changed = Round(model_id, asked_s, live_s, deployment.timings or {})
    say(f"{strategy} to {model_id}: {changed.timings}, clients waited up to {max(changed.waits_s(clients)):.3f}")
    return changed


def figures(rounds: list[Round], clients: Clients, expected: Expected) -> dict[str, Any]:
    """What is said of the swaps; seconds."""
    usual_s = median(answer.waited_s for answer in _undisturbed(rounds, clients))
    stalls = [[max(0.0, wait - usual_s) for wait in each.waits_s(clients)] for each in rounds]
    bars = [each.longest_running_s(clients) + STALL_ALLOWED_S for each in rounds]
    found: dict[str, Any] = {"swaps": len(rounds), **outcome(clients.answers, expected)}
    for phase in ("stage_s", "drain_s", "commit_s", "check_s", "gated_s"):
        seconds = [each.timings[phase] for each in rounds]
        found |= {phase: round(median(seconds), 3), f"{phase}_max": max(seconds)}
    return found | {
        "stall_p50": round(median(stall for each in stalls for stall in each), 3),
        "stall_max": round(max(stall for each in stalls for stall in each), 3),
        "stall_bar_s": round(max(bars), 3),
        "stalls_over_bar": sum(max(each) > bar for each, bar in zip(stalls, bars, strict=True)),
        "first_text_s": round(usual_s, 3),
        "answer_s": round(median(a.ended_s - a.sent_s for a in _undisturbed(rounds, clients)), 3),
    }


def outcome(answers: list[Answer], expected: Expected) -> dict[str, int]:
    """How many requests there were, failed, and were answered by something else than the model that they name."""
    return {
        "requests": len(answers),
        "failed": sum(answer.failure is not None for answer in answers),
        "mixed": sum(map(expected.is_mixed, answers)),
    }


def _undisturbed(rounds: list[Round], clients: Clients) -> list[Answer]:
    def is_disturbed(answer: Answer) -> bool:
        return any(answer.ended_s >= each.asked_s and answer.sent_s <= each.live_s for each in rounds)

    return [answer for answer in clients.answers if answer.failure is None and not is_disturbed(answer)]
