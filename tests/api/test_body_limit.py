"""A body over the limit is answered with 413 before it is read, however it is sent."""

import socket
from collections.abc import Iterator

import httpx

LIMIT = 1_000_000


def connect(client: httpx.Client) -> socket.socket:
    host, port = client.base_url.host, client.base_url.port
    assert port is not None
    return socket.create_connection((host, port), timeout=10)


def head(client: httpx.Client, *headers: str) -> bytes:
    key = client.headers["authorization"]
    lines = ["POST /jobs HTTP/1.1", "host: api", f"authorization: {key}", "content-type: application/json", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


def test_a_declared_length_over_the_limit_is_refused_before_a_byte_is_sent(client: httpx.Client) -> None:
    with connect(client) as sock:
        sock.sendall(head(client, "content-length: 10000000"))
        answer = sock.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in answer.lower()


def test_a_client_that_waits_for_100_continue_sends_nothing(client: httpx.Client) -> None:
    with connect(client) as sock:
        sock.sendall(head(client, "content-length: 10000000", "expect: 100-continue"))
        assert sock.recv(65536).startswith(b"HTTP/1.1 413")


def test_a_chunked_body_is_refused_at_the_first_byte_over_the_limit(client: httpx.Client) -> None:
    with connect(client) as sock:
        sock.sendall(head(client, "transfer-encoding: chunked"))
        for _ in range(LIMIT // 65536 + 1):
            sock.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
        answer = sock.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413")


def test_a_client_that_sends_everything_first_still_sees_the_answer(client: httpx.Client) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(160):
            yield b" " * 65536

    answer = client.post("/jobs", content=chunks(), headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
    assert answer.headers["x-request-id"]


def test_the_inference_paths_have_the_same_limit(client: httpx.Client) -> None:
    assert client.post("/v1/chat/completions", content=b" " * (LIMIT + 1)).status_code == 413


def test_a_body_at_the_limit_is_read(client: httpx.Client) -> None:
    body = b'{"base_model": "Qwen/Qwen2.5-3B"}'.ljust(LIMIT)
    assert client.post("/jobs", content=body, headers={"content-type": "application/json"}).status_code == 201
