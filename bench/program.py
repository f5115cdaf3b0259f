"""What the measurements have in common as programs: their options, their progress, and an orderly end."""

import argparse
import signal
import sys
from collections.abc import Sequence


def options_of(name: str, description: str | None, parts: Sequence[str], length: str) -> argparse.Namespace:
    """The options of `python -m bench.NAME`, which measures `parts`; `length` tells what `--seconds` is about."""
    parser = argparse.ArgumentParser(prog=f"python -m bench.{name}", description=description)
    parser.add_argument("--quick", action="store_true", help="a few seconds, to see that it works: no figures to quote")
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts, help="measure only these")
    parser.add_argument("--rounds", type=int, default=5, help="of each measurement")
    parser.add_argument("--seconds", type=float, default=3.0, help=length)
    return parser.parse_args()


def end_orderly() -> None:
    """Have SIGTERM take everything down that was started, as an error does."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


def say(text: str) -> None:
    """Show progress, apart from the result."""
    print(text, file=sys.stderr, flush=True)
