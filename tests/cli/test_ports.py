"""A port that the user set must be free; any other is moved."""

import socket
from collections.abc import Iterator

import pytest

from cli.ports import any_free_port, choose_port, is_free
from core.errors import ConfigurationError

HOST = "127.0.0.1"


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


def test_a_free_port_is_kept() -> None:
    port = any_free_port(HOST)
    assert choose_port(HOST, port, "TUNESMITH_API_PORT", explicit=True) == port


def test_a_taken_default_is_moved(taken: int) -> None:
    chosen = choose_port(HOST, taken, "TUNESMITH_API_PORT", explicit=False)
    assert chosen != taken
    assert is_free(HOST, chosen)


def test_a_taken_port_of_the_users_is_an_error_with_the_fix(taken: int) -> None:
    with pytest.raises(ConfigurationError, match=rf"port {taken} .* is taken.*TUNESMITH_API_PORT"):
        choose_port(HOST, taken, "TUNESMITH_API_PORT", explicit=True)


def test_a_port_given_out_before_is_not_given_out_again() -> None:
    port = any_free_port(HOST)
    assert choose_port(HOST, port, "VLLM_PORT", explicit=False, avoid=[port]) != port


def test_a_host_of_another_machine_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match=r"cannot listen on 192\.0\.2\.1:8000"):
        is_free("192.0.2.1", 8000)
