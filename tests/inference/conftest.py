"""One gateway with one vLLM for the tests that need the real thing; starting vLLM takes most of their time."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from core import db
from tests.conftest import Services
from tests.inference import checkpoints
from tests.inference.gateway import VLLM_KEY, Gateway, deploy


@pytest.fixture(scope="module")
def gateway_env() -> dict[str, str]:
    """Further variables for a module's gateway; a module that needs some has a fixture of this name."""
    return {}


@pytest.fixture(scope="module")
def gateway(
    services: Services, tmp_path_factory: pytest.TempPathFactory, gateway_env: dict[str, str]
) -> Iterator[Gateway]:
    """A running gateway, with the tiny base live on it."""
    if not (checkpoints.BASE / "config.json").exists():
        pytest.skip("examples/tiny-base holds no model")
    with db.engine().begin() as connection:
        connection.execute(text("TRUNCATE deployments, models CASCADE"))
    running = Gateway(
        {**services.env, "VLLM_API_KEY": VLLM_KEY}, tmp_path_factory.mktemp("gateway"), services.admin_key
    )
    running.start(**gateway_env)
    try:
        base = deploy("tiny-base", checkpoints.BASE)
        assert (base.status, base.strategy) == ("live", "start"), base.error
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def models(services: Services) -> Path:
    """Where a module makes its model folders: below the storage folder, like every tuned model."""
    folder = services.storage_path / "models"
    folder.mkdir(exist_ok=True)
    return folder
