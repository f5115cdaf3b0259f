"""`python -m bench.jobs`: the api against itself storing nothing, Postgres alone, and a trainer by hand.

Everything that a ratio compares is measured side by side in one run.  The last line is the result as JSON;
docs/benchmarks.md says what each figure means.
"""

import argparse
import json
from typing import Any

from bench import listing, startup, throughput
from bench.program import end_orderly, options_of, say
from bench.services import running_services

PARTS = ("api", "list", "start")


def main() -> None:
    """Measure, and print the result."""
    options = options_of("jobs", __doc__, PARTS, "length of one measurement of throughput")
    end_orderly()
    print(json.dumps(measure(options)))


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """The parts that were asked for, one after the other; of a quick run's training only the keys are there."""
    quick = options.quick
    found: dict[str, Any] = {}
    with running_services() as services:
        if "api" in options.parts:
            rounds, seconds = (1, 0.3) if quick else (options.rounds, options.seconds)
            found |= throughput.measure(services, rounds, seconds, say)
        if "list" in options.parts:
            rows, repeats = (10_000, 5) if quick else (listing.LARGE, 100)
            found |= listing.measure(services, rows, repeats, say)
        if "start" in options.parts:
            found |= dict.fromkeys(startup.FIGURES) if quick else startup.measure(services, 3, say)
    return found


if __name__ == "__main__":
    main()
