"""`python -m bench.gateway`: the gateway against no proxy at all, nginx and LiteLLM, and before a real vLLM.

Everything that a ratio compares is measured side by side in one run.  The last line is the result as JSON;
docs/benchmarks.md says what each figure means.
"""

import argparse
import json
from typing import Any

from bench import relaying, serving
from bench.program import end_orderly, options_of, say
from bench.proxies import install_litellm
from bench.services import running_services

PARTS = ("stub", "vllm")


def main() -> None:
    """Measure, and print the result."""
    options = options_of("gateway", __doc__, PARTS, "length of one measurement before the stub")
    end_orderly()
    print(json.dumps(measure(options)))


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """The parts that were asked for, one after the other; of a quick run's vLLM only the keys are there."""
    quick = options.quick
    found: dict[str, Any] = {}
    if "stub" in options.parts:
        if not quick:
            install_litellm(say)
        rounds, seconds = (1, 0.3) if quick else (options.rounds, options.seconds)
        found |= relaying.measure(rounds, seconds, say)
    if "vllm" in options.parts:
        if quick:
            return found | dict.fromkeys(serving.FIGURES)
        with running_services() as services:
            found |= serving.measure(services, options.rounds, options.seconds * 3, say)
    return found


if __name__ == "__main__":
    main()
