"""`python -m bench.jobs`: the api against itself storing nothing, Postgres alone, and a trainer by hand.

Everything that a ratio compares is measured side by side in one run.  The last line is the result as JSON;
docs/benchmarks.md says what each figure means.
"""

import argparse
import json
import signal
import sys
from typing import Any

from bench import listing, startup, throughput
from bench.services import running_services

PARTS = ("api", "list", "start")


def main() -> None:
    """Measure, and print the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.jobs", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few seconds, to see that it works: no figures to quote")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="measure only these")
    parser.add_argument("--rounds", type=int, default=5, help="of each measurement of throughput")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one measurement of throughput")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that everything is taken down
    print(json.dumps(measure(options)))


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """The parts that were asked for, one after the other; of a quick run's training only the keys are there."""
    quick = options.quick
    found: dict[str, Any] = {}
    with running_services() as services:
        if "api" in options.parts:
            rounds, seconds = (1, 0.3) if quick else (options.rounds, options.seconds)
            found |= throughput.measure(services, rounds, seconds, _say)
        if "list" in options.parts:
            rows, repeats = (10_000, 5) if quick else (listing.LARGE, 100)
            found |= listing.measure(services, rows, repeats, _say)
        if "start" in options.parts:
            found |= dict.fromkeys(startup.FIGURES) if quick else startup.measure(services, 3, _say)
    return found


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
