"""The import rule: processes share `core`, never each other's code, and the heavy packages stay where they belong."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
OURS = {"api", "bench", "cli", "core", "examples", "inference", "migrations", "tests", "worker"}
TRAINING = {"accelerate", "bitsandbytes", "datasets", "numpy", "peft", "pyarrow", "safetensors", "tokenizers", "torch"}
TRAINING |= {"huggingface_hub", "openai", "transformers", "trl", "unsloth", "unsloth_zoo"}
SHARED = {"celery", "httpx", "kombu", "psycopg", "pydantic", "pydantic_settings", "redis", "sqlalchemy"}
WEB = {"aiohttp", "anyio", "fastapi", "jinja2", "markupsafe", "openai", "starlette", "uvicorn", "yarl"}

ALLOWED: dict[str, set[str]] = {
    "core": SHARED,
    # Readers of data files: small C and Rust packages, and pyarrow only once a Parquet file is read.
    "core/rows": SHARED | {"jiter", "pyarrow"},
    # Passing a request through is the one thing that the api and the gateway do alike.
    "core/http_client.py": {"httptools"},
    "core/passthrough.py": SHARED | {"starlette"},
    "api": SHARED | WEB | {"core", "python_multipart"},
    "worker": SHARED | {"core", "openai"},
    # Jinja, whose errors are those of a model's chat template, and httpx2, in which the OpenAI SDK takes connections.
    "worker/stages": SHARED | {"core", "httpx2", "jinja2"} | TRAINING,
    "inference": SHARED | WEB | {"core", "prometheus_client"},
    # uvicorn's own connection, parsed as uvicorn parses it.
    "inference/connection.py": SHARED | WEB | {"core", "httptools"},
    # Installed into vLLM's own environment, where nothing else of ours is.
    "inference/plugin": {"fastapi", "numpy", "pydantic", "safetensors", "torch", "transformers", "vllm"},
    "cli": SHARED | {"core", "openai", "rich", "typer"},
    # Run before anything is installed.
    "cli/setup_environment.py": set(),
    "migrations": {"alembic", "core", "sqlalchemy"},
    # Starts the servers as the launcher does, the api with its storing left out, and the gateway with a stub for vLLM.
    "bench": SHARED | WEB | {"api", "cli", "core", "httptools", "inference", "uvloop"},
    # They run the worker's programs by hand, and what they are compared with.
    "bench/preparing.py": {"core", "worker"},
    "bench/useful_tokens.py": {"core", "worker"},
    "bench/one_way.py": TRAINING | {"core", "worker"},
    "bench/plain_map.py": TRAINING,
    # They make model folders.
    "bench/memory_models.py": {"cli", "torch", "transformers"},
    "bench/successors.py": {"cli", "safetensors", "torch"},
}
"""What a folder or file may import beside the standard library and itself; the longest matching path counts."""


def sources() -> list[str]:
    folders = sorted({path.split("/", 1)[0] for path in ALLOWED})
    files = [path for folder in folders for path in (PROJECT / folder).rglob("*.py")]
    built = {"build", "__pycache__"}
    return sorted(str(path.relative_to(PROJECT)) for path in files if not built & set(path.parts))


def imports(source: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of every import in the file, those inside functions too."""
    for node in ast.walk(ast.parse(source.read_text(), str(source))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")


def rule_of(source: str) -> str:
    return max((path for path in ALLOWED if source == path or source.startswith(f"{path}/")), key=len)


def is_allowed(source: str, name: str) -> bool:
    rule = rule_of(source)
    package = name.split(".", 1)[0]
    if package in sys.stdlib_module_names or package in ALLOWED[rule]:
        return True
    if rule == "inference/plugin":
        return source.startswith(f"{rule}/{package}/")
    return package == source.split("/", 1)[0] and rule != "cli/setup_environment.py"


@pytest.mark.parametrize("source", sources())
def test_a_file_imports_only_what_its_package_may(source: str) -> None:
    refused = [
        f"{source}:{line} imports {name}" for line, name in imports(PROJECT / source) if not is_allowed(source, name)
    ]
    assert not refused, f"{refused}: see the import rule in docs/architecture.md"


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("core/jobs.py", "api.schemas"),
        ("core/jobs.py", "torch"),
        ("core/db.py", "aiohttp"),
        ("api/app.py", "worker.runner"),
        ("api/app.py", "transformers"),
        ("worker/runner.py", "torch"),
        ("worker/stages/sft.py", "vllm"),
        ("inference/app.py", "vllm.engine"),
        ("inference/plugin/tunesmith_vllm/swap.py", "core.settings"),
        ("cli/up.py", "api.app"),
        ("cli/setup_environment.py", "rich"),
        ("cli/setup_environment.py", "cli.home"),
        ("worker/runner.py", ".lease"),
    ],
)
def test_the_rule_refuses(source: str, name: str) -> None:
    assert not is_allowed(source, name)


def test_only_the_settings_read_the_environment() -> None:
    readers = {source for source in sources() if reads_environment(PROJECT / source)}
    assert readers <= {"core/settings.py"}, f"{sorted(readers)}: read it in core/settings.py"


def reads_environment(source: Path) -> bool:
    """Whether the file asks for a variable; handing the whole environment to a child is no reading."""
    for node in ast.walk(ast.parse(source.read_text(), str(source))):
        if isinstance(node, ast.Subscript | ast.Attribute) and ast.unparse(node.value) == "os.environ":
            return True
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "os.getenv":
            return True
    return False
