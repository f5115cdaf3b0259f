"""Prints the README's file tree from the modules' docstrings; `--write` puts it into the README."""

import ast
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
FOLDERS = ("core", "api", "worker", "inference", "cli", "migrations", "bench", "examples", "docs")
OTHERS = {
    "examples/jobs/": "job specs to post",
    "examples/tiny-base/": "the tiny base model, with its recipe and log",
    "worker/suites/": "the built-in prompts over seven tools",
    "docs/": "architecture, promises, failures, operations, benchmarks; decisions in adr/",
    "requirements/": "complete lock files of both environments",
    "tests/": "mirror the packages; e2e/ runs the whole system, faults/ breaks it",
    "Makefile": "setup, demo, up, test, check",
}
_MARKED = re.compile(r"(<!-- tree -->\n```text\n).*?(```\n<!-- /tree -->)", re.DOTALL)


def tree() -> str:
    """One line a file: its path and the first sentence of its docstring."""
    listed = subprocess.run(["git", "ls-files", *FOLDERS], cwd=ROOT, capture_output=True, text=True, check=True)
    files = [path for path in sorted(listed.stdout.split()) if path.endswith(".py") and "/versions/" not in path]
    lines = {path: sentence for path in files if (sentence := _first_sentence(ROOT / path))} | OTHERS
    order = {name: position for position, name in enumerate(FOLDERS)}
    keys = sorted(lines, key=lambda path: (order.get(path.split("/")[0], len(order)), path))
    return "".join(f"{path:<48} {lines[path]}\n" for path in keys)


def readme_with(text: str) -> str:
    """The README with this tree between its marks."""
    return _MARKED.sub(lambda match: match[1] + text + match[2], README.read_text(encoding="utf-8"))


def _first_sentence(path: Path) -> str:
    docstring = " ".join((ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split())
    sentence = re.split(r"(?<=[.…])\s+(?=[A-Z`])|: `python|; ", docstring)[0].rstrip(".")
    return sentence if len(sentence) <= 110 else sentence[:109].rsplit(" ", 1)[0] + " …"


if __name__ == "__main__":
    if "--write" in sys.argv:
        README.write_text(readme_with(tree()), encoding="utf-8")
    else:
        print(tree(), end="")
