"""`python -m bench.gateway`: the gateway against no proxy at all, nginx and LiteLLM, and before a real vLLM.

Everything that a ratio compares is measured side by side in one run.  The last line is the result as JSON;
docs/benchmarks.md says what each figure means.
"""

import argparse
import json
import signal
import sys
from typing import Any

from bench import relaying, serving
from bench.proxies import install_litellm
from bench.services import running_services

PARTS = ("stub", "vllm")


def main() -> None:
    """Measure, and print the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.gateway", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few seconds, to see that it works: no figures to quote")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="measure only these")
    parser.add_argument("--rounds", type=int, default=5, help="of each measurement")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one measurement before the stub")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that everything is taken down
    print(json.dumps(measure(options)))


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """The parts that were asked for, one after the other; of a quick run's vLLM only the keys are there."""
    quick = options.quick
    found: dict[str, Any] = {}
    if "stub" in options.parts:
        if not quick:
            install_litellm(_say)
        rounds, seconds = (1, 0.3) if quick else (options.rounds, options.seconds)
        found |= relaying.measure(rounds, seconds, _say)
    if "vllm" in options.parts:
        if quick:
            return found | dict.fromkeys(serving.FIGURES)
        with running_services() as services:
            found |= serving.measure(services, options.rounds, options.seconds * 3, _say)
    return found


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
