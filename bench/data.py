"""`python -m bench.data`: rows made into tokens, and learned from, against the way of the tutorials.

Everything that a ratio compares is measured side by side in one run.  The last line is the result as JSON;
docs/benchmarks.md says what each figure means.
"""

import argparse
import json
from typing import Any

from bench import preparing, useful_tokens
from bench.program import end_orderly, options_of, say

PARTS = ("rows", "memory", "training")
ROWS, MEMORY_ROWS, QUICK_ROWS = 20_000, 6_000, 200


def main() -> None:
    """Measure, and print the result."""
    options = options_of("data", __doc__, PARTS, "a twentieth of the length of one training")
    end_orderly()
    print(json.dumps(measure(options)))


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """The parts that were asked for, one after the other."""
    quick = options.quick
    found: dict[str, Any] = {}
    if "rows" in options.parts:
        found |= preparing.compare(QUICK_ROWS if quick else ROWS, 1 if quick else options.rounds, say)
    if "memory" in options.parts:
        found |= preparing.memory(QUICK_ROWS if quick else MEMORY_ROWS, say)
    if "training" in options.parts:
        train_s = 3.0 if quick else 20 * options.seconds
        found |= useful_tokens.compare(train_s, 1 if quick else options.rounds, say)
    return found


if __name__ == "__main__":
    main()
