"""The leaderboard's own checker, taken from the package that publishes it; fetched for tests only, once."""

import importlib
import subprocess
import sys
import types
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

VERSION = "2026.3.23"
CACHE = Path(__file__).resolve().parents[2] / "var" / "tests" / f"bfcl-eval-{VERSION}"
UNUSED = (
    "bfcl_eval.constants.model_config",
    "bfcl_eval.eval_checker.ast_eval.type_convertor.java_type_converter",
    "bfcl_eval.eval_checker.ast_eval.type_convertor.js_type_converter",
)
"""Modules for other languages and for the clients of a hundred models, which would have to be installed."""


class AnyModel:
    """What the checker asks of a model: names of functions stay as they are."""

    underscore_to_dot = False


@contextmanager
def their_checker() -> Iterator[Callable[..., dict[str, Any]]]:
    """`ast_checker`; skips where the package can be had from no index."""
    _fetch()
    known = set(sys.modules)
    sys.path.insert(0, str(CACHE))
    try:
        for name in UNUSED:
            module: Any = types.ModuleType(name)
            module.MODEL_CONFIG_MAPPING = {"any": AnyModel}
            module.java_type_converter = module.js_type_converter = None
            sys.modules[name] = module
        checker = importlib.import_module("bfcl_eval.eval_checker.ast_eval.ast_checker")
        python = importlib.import_module("bfcl_eval.constants.enums").Language.PYTHON
        yield lambda functions, output, accepted, category: checker.ast_checker(
            functions, output, accepted, python, category, "any"
        )
    finally:
        sys.path.remove(str(CACHE))
        for name in set(sys.modules) - known:
            del sys.modules[name]


def _fetch() -> None:
    if (CACHE / "bfcl_eval").exists():
        return
    CACHE.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(CACHE)]
    got = subprocess.run([*pip, f"bfcl-eval=={VERSION}"], check=False, capture_output=True, text=True, timeout=60)
    wheels = list(CACHE.glob("*.whl"))
    if got.returncode or not wheels:
        pytest.skip(f"bfcl-eval {VERSION} cannot be fetched here: {got.stderr.strip()[-200:]}")
    with zipfile.ZipFile(wheels[0]) as wheel:
        wheel.extractall(CACHE)
