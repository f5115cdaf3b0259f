"""Requests for completions as they may come over a connection, in bytes."""

import json
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tests.inference.front import ALIAS, KEY, Front, running_front
from tests.inference.vllm import ANSWER, Vllm, running_vllm
from tests.waiting import wait_until

BODY = json.dumps({"model": ALIAS}).encode()
NAMED = ANSWER.replace(b'"model":"engine"', b'"model":"%b"' % ALIAS.encode())
HEALTH = b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n"


@pytest.fixture(scope="module")
def vllm() -> Iterator[Vllm]:
    with running_vllm() as running:
        running.go_on.set()
        yield running


@pytest.fixture(scope="module")
def front(vllm: Vllm) -> Iterator[Front]:
    with running_front(vllm, max_body_bytes=1000) as running:
        yield running


def request(
    body: bytes = BODY, *headers: bytes, target: bytes = b"/v1/chat/completions", version: bytes = b"1.1"
) -> bytes:
    lines = [b"POST %b HTTP/%b" % (target, version), b"host: x", b"authorization: Bearer %b" % KEY.encode()]
    if not any(header.startswith(b"transfer-encoding") for header in headers):
        lines.append(b"content-length: %d" % len(body))
    return b"\r\n".join([*lines, *headers, b"", body])


@contextmanager
def connected(front: Front) -> Iterator[socket.socket]:
    host, _, port = front.url.removeprefix("http://").partition(":")
    with closing(socket.create_connection((host, int(port)), timeout=10)) as connection:
        yield connection


def read_until(connection: socket.socket, end: bytes) -> bytes:
    received = b""
    while not received.endswith(end):
        more = connection.recv(65536)
        assert more, received
        received += more
    return received


def ask(front: Front, *pieces: bytes) -> bytes:
    """The answer to a request that comes in pieces, each sent once the server has read the one before."""
    with connected(front) as connection:
        for piece in pieces:
            connection.sendall(piece)
            assert front.in_loop(lambda: True)
        return read_until(connection, NAMED)


def test_an_answer_says_how_long_it_is_and_when_it_was_made(front: Front) -> None:
    answer = ask(front, request())
    head = answer.removesuffix(b"\r\n\r\n" + NAMED)
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"content-length: %d" % len(NAMED) in head
    assert b"\r\ndate: " in head
    assert b"connection: close" not in head


def test_a_request_may_come_byte_by_byte(front: Front) -> None:
    assert ask(front, *(bytes([byte]) for byte in request()))


def test_a_body_may_come_in_chunks(front: Front, vllm: Vllm) -> None:
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (BODY[:5], BODY[5:]))
    assert ask(front, request(chunks + b"0\r\n\r\n", b"transfer-encoding: chunked"))
    assert vllm.seen[-1].body == BODY.replace(ALIAS.encode(), b"engine")


def test_chunks_over_the_limit_are_refused_before_their_end(front: Front) -> None:
    with connected(front) as connection:
        connection.sendall(request(b"400\r\n" + b" " * 1024, b"transfer-encoding: chunked"))
        assert b"413" in read_until(connection, b"}}")


def test_the_target_may_be_a_whole_url(front: Front) -> None:
    assert ask(front, request(target=b"http://x/v1/chat/completions"))


def test_who_expects_a_word_before_the_body_gets_it(front: Front) -> None:
    with connected(front) as connection:
        head, _, body = request(BODY, b"expect: 100-continue").partition(b"\r\n\r\n")
        connection.sendall(head + b"\r\n\r\n")
        assert read_until(connection, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert read_until(connection, NAMED).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("asked", [request(version=b"1.0"), request(BODY, b"connection: close")])
def test_a_connection_that_is_not_kept_is_closed(front: Front, asked: bytes) -> None:
    with connected(front) as connection:
        connection.sendall(asked)
        assert b"connection: close" in read_until(connection, NAMED)
        assert connection.recv(1) == b""


def test_requests_that_do_not_wait_are_answered_in_their_order(front: Front) -> None:
    with connected(front) as connection:
        connection.sendall(request() + HEALTH + request())
        received = read_until(connection, NAMED)
        while received.count(NAMED) < 2:
            received += read_until(connection, NAMED)
    first, health, second = received.split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert first.endswith(NAMED)
    assert b'"status":"ok"' in health
    assert second.endswith(NAMED)


def test_a_client_that_leaves_within_its_body_leaves_its_place(front: Front) -> None:
    with connected(front) as connection:
        connection.sendall(request()[:-3])
        wait_until(lambda: front.waiting == 1)
    wait_until(lambda: front.waiting == 0)
