"""A claimed port belongs to one process of the machine, before anything listens on it."""

import socket
import subprocess
import sys
from contextlib import ExitStack

import pytest

from core.errors import ConfigurationError
from core.ports import HIGHEST_PORT, claim_next_port, claim_port, is_free

HOST = "127.0.0.1"
CLAIMS_ONE = f"""
from core.ports import claim_next_port
claim = claim_next_port("{HOST}", 20_000)
print(claim.port, flush=True)
input()
"""


def claiming_process() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CLAIMS_ONE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def test_processes_that_start_at_once_claim_different_ports() -> None:
    processes = [claiming_process() for _ in range(4)]
    ports = [int(process.stdout.readline()) for process in processes if process.stdout]
    for process in processes:
        process.communicate()
    assert len(set(ports)) == len(processes)


def test_a_claim_ends_with_its_process_whatever_way_that_ends() -> None:
    process = claiming_process()
    assert process.stdout is not None
    port = int(process.stdout.readline())
    assert is_free(HOST, port)
    assert claim_port(HOST, port) is None
    process.kill()
    process.communicate()
    assert claim_port(HOST, port) is not None


def test_a_claim_ends_with_its_object() -> None:
    claim = claim_next_port(HOST, 20_000)
    port = claim.port
    assert claim_port(HOST, port) is None
    del claim
    assert claim_port(HOST, port) is not None


def test_a_claim_lives_as_long_as_who_will_release_it() -> None:
    with ExitStack() as at_the_end:
        claim = claim_next_port(HOST, 20_000)
        port = claim.port
        at_the_end.callback(claim.release)
        del claim
        assert claim_port(HOST, port) is None
    assert claim_port(HOST, port) is not None


def test_a_port_where_somebody_listens_is_passed_over_and_not_kept() -> None:
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        assert claim_port(HOST, port) is None
        assert claim_next_port(HOST, port - 1).port > port
    assert claim_port(HOST, port) is not None


def test_that_no_port_is_left_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match=r"no port of 127\.0\.0\.1 above 65535 is free"):
        claim_next_port(HOST, HIGHEST_PORT)


def test_a_host_of_another_machine_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match=r"cannot listen on 192\.0\.2\.1:8000"):
        is_free("192.0.2.1", 8000)
