"""A port that the user set must be free; any other is moved."""

import socket
from collections.abc import Iterator

import pytest

from cli.ports import choose_port
from core.errors import ConfigurationError
from core.ports import claim_next_port, claim_port, is_free

HOST = "127.0.0.1"


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def free() -> int:
    claim = claim_next_port(HOST, 20_000)
    claim.release()
    return claim.port


def test_a_free_port_is_kept(free: int) -> None:
    assert choose_port(HOST, free, "TUNESMITH_API_PORT", explicit=True).port == free


def test_a_taken_default_is_moved(taken: int) -> None:
    chosen = choose_port(HOST, taken, "TUNESMITH_API_PORT", explicit=False)
    assert chosen.port > taken
    assert is_free(HOST, chosen.port)


def test_a_taken_port_of_the_users_is_an_error_with_the_fix(taken: int) -> None:
    with pytest.raises(ConfigurationError, match=rf"port {taken} .* is taken.*TUNESMITH_API_PORT"):
        choose_port(HOST, taken, "TUNESMITH_API_PORT", explicit=True)


def test_two_servers_of_one_system_get_different_ports(free: int) -> None:
    first, second = (choose_port(HOST, free, name, explicit=False) for name in ("TUNESMITH_API_PORT", "VLLM_PORT"))
    assert (first.port, second.port > free) == (free, True)


def test_a_claimed_port_of_the_users_is_an_error_that_says_how_to_find_its_holder(free: int) -> None:
    claim = claim_port(HOST, free)
    assert claim is not None
    with pytest.raises(ConfigurationError, match=rf"port {free} .* is kept .*grep tunesmith-port-{free}.*VLLM_PORT"):
        choose_port(HOST, free, "VLLM_PORT", explicit=True)
    claim.release()
