"""`python -m bench.swap`: models exchanged under streaming clients, restarted instead, and every part of it killed.

The last line is the result as JSON; docs/benchmarks.md says what each figure means.
"""

import argparse
import itertools
import json
import shutil
from statistics import median
from typing import Any

from bench import successors, swap_faults, swap_rounds
from bench.deploying import Deployer
from bench.gateway_process import Gateway
from bench.program import end_orderly, say
from bench.services import KEY, Services, running_services
from bench.swap_expected import PROMPTS, expect
from bench.swap_rig import TWO, Rig

RESTARTED = "one-with-another-template"
"""Answers as `one` does, to prompts that are no chats."""


def main() -> None:
    """Measure, and print the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.swap", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two swaps and a restart, to see that it works")
    parser.add_argument("--swaps", type=int, default=20)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--restarts", type=int, default=2, help="for comparison")
    parser.add_argument("--faults", action=argparse.BooleanOptionalAction, default=True, help="also kill everything")
    options = parser.parse_args()
    if options.quick:
        options.swaps, options.restarts, options.faults = 2, 1, False
    end_orderly()
    with running_services() as services:
        print(json.dumps(measure(services, options)))


def measure(services: Services, options: argparse.Namespace) -> dict[str, Any]:
    """Swaps first, then the restarts that they replace, then the faults."""
    # With room for a second vLLM a new template would not restart the first one.
    env = {**services.env, "TUNESMITH_SECOND_VLLM": "never"}
    gateway = Gateway(env, services.home / "log", KEY)
    deployer = Deployer(services.database_url)
    _register_models(services, deployer)
    try:
        expected = expect(gateway, deployer, TWO, options.clients, say)
        expected.same_as(RESTARTED, TWO[0])
        rig = Rig(gateway, deployer, expected, options.clients)
        found = _exchanges(rig, options.swaps, options.restarts)
        if options.faults:
            found |= swap_faults.measure(rig, say)
    finally:
        gateway.stop()
    return found


def _exchanges(rig: Rig, swaps: int, restarts: int) -> dict[str, Any]:
    with rig.streaming() as clients:
        clients.wait_for_each()
        models = itertools.islice(itertools.cycle(TWO), swaps)
        rounds = [swap_rounds.change(rig, clients, model_id, "swap", say) for model_id in models]
    found = swap_rounds.figures(rounds, clients, rig.expected)
    with rig.streaming() as clients:
        clients.wait_for_each()
        models = itertools.islice(itertools.cycle((RESTARTED, TWO[1])), restarts)
        restarted = [swap_rounds.change(rig, clients, model_id, "restart", say) for model_id in models]
    swap_s = median(each.timings["commit_s"] + each.timings["check_s"] for each in rounds)
    restart_s = median(each.timings["gated_s"] - each.timings["drain_s"] for each in restarted)
    return found | {
        "restart_vs_swap": round(restart_s / swap_s, 1),
        "restart_s": round(restart_s, 3),
        "swap_s": round(swap_s, 3),
        "restarts": {"number": restarts, **swap_rounds.outcome(clients.answers, rig.expected)},
        "prompts": len(rig.expected.prompts),
        "prompts_unsteady": len(PROMPTS) - len(rig.expected.prompts),
    }


def _register_models(services: Services, deployer: Deployer) -> None:
    storage = services.home / "storage"
    for seed, model_id in enumerate(TWO, 1):
        deployer.register(model_id, successors.successor(storage / model_id, seed))
    shutil.copytree(storage / TWO[0], storage / RESTARTED)
    successors.give_another_template(storage / RESTARTED)
    deployer.register(RESTARTED, storage / RESTARTED)


if __name__ == "__main__":
    main()
