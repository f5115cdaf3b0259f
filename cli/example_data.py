"""The example rows below the data root, so that the example job can be posted as it is."""

import subprocess
import sys
from pathlib import Path

from cli.migrate import PROJECT

FOLDER = "demo"


def make_example_data(data_root: Path) -> dict[str, int]:
    """Write the rows, the same every time, and return how many each file has."""
    folder = data_root / FOLDER
    subprocess.run([sys.executable, "-m", "examples.data.make", str(folder), "--seed", "0"], cwd=PROJECT, check=True)
    return {path.name: path.read_bytes().count(b"\n") for path in sorted(folder.glob("*.jsonl"))}
