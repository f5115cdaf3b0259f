"""The tiny base model's tokenizer and folder, as every worker test uses them, and a worker that shuts down."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerFast

from tests.conftest import Services
from worker.drain import DRAIN
from worker.stages.render import load_tokenizer

TINY_BASE = Path(__file__).parents[2] / "examples" / "tiny-base"


@pytest.fixture(scope="session")
def tiny_base() -> Path:
    """The folder of the tiny base model."""
    return TINY_BASE


@pytest.fixture(scope="session")
def tokenizer(tiny_base: Path) -> PreTrainedTokenizerFast:
    """Its tokenizer."""
    return load_tokenizer(str(tiny_base))


@pytest.fixture
def draining() -> Iterator[None]:
    """The worker is shutting down."""
    DRAIN.set()
    yield
    DRAIN.clear()


@pytest.fixture
def endless_data(database: Services) -> Iterator[str]:
    """The name of a data set whose reader waits for ever; it is gone afterwards, or a writer would wait too."""
    path = database.data_root / "rows.jsonl"
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    yield path.name
    path.unlink()
