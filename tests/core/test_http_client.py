"""The client for traffic over real sockets: every framing of an answer, connections used again, and what breaks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from core.http_client import IDLE_CONNECTION_S, MOST_UNREAD_BYTES, BrokenOff, HttpClient
from tests.waiting import until


class Server:
    """Answers every request with the same bytes, and closes the connection after each if it is told to."""

    def __init__(self, answer: bytes, *, closes: bool = False) -> None:
        self.answer, self.closes = answer, closes
        self.requests: list[bytes] = []
        self.connections = 0
        self.open: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open.append(writer)
        try:
            while True:
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(self.answer)
                if self.closes:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def client_of(server: Server) -> AsyncIterator[HttpClient]:
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listener:
        client = HttpClient("http://127.0.0.1:{1}/base".format(*listener.sockets[0].getsockname()))
        yield client
        client.close()
        for writer in server.open:
            writer.close()


async def get(client: HttpClient) -> bytes:
    answer = await client.request(b"GET", b"/x?y", [(b"a", b"b")], b"")
    try:
        return await answer.read_all()
    finally:
        answer.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
    ],
)
async def test_an_answer_is_read_and_its_connection_used_again(answer: bytes) -> None:
    server = Server(answer)
    async with client_of(server) as client:
        assert [await get(client) for _ in range(3)] == [b"hello"] * 3
    assert server.connections == 1
    host = client.base_url.removeprefix("http://").removesuffix("/base").encode()
    assert server.requests == [b"GET /base/x?y HTTP/1.1\r\nhost: " + host + b"\r\na: b\r\n\r\n"] * 3


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\n\r\nhello",  # As long as the connection lives.
        b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello",
    ],
)
async def test_an_answer_may_end_with_its_connection(answer: bytes) -> None:
    server = Server(answer, closes=True)
    async with client_of(server) as client:
        assert [await get(client) for _ in range(2)] == [b"hello"] * 2
    assert server.connections == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-le",
        b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ],
)
async def test_an_answer_that_breaks_off_is_none(answer: bytes) -> None:
    async with client_of(Server(answer, closes=True)) as client:
        with pytest.raises(BrokenOff):
            await get(client)


async def test_a_server_that_is_away_is_a_connection_that_broke_off() -> None:
    async with client_of(Server(b"")) as client:
        pass
    with pytest.raises(BrokenOff):
        await get(client)


async def test_a_connection_that_idled_too_long_is_not_used() -> None:
    server = Server(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")
    async with client_of(server) as client:
        await get(client)
        client._idle[0].idle_since_s -= IDLE_CONNECTION_S
        await get(client)
    assert server.connections == 2


async def test_an_answer_that_is_left_early_ends_its_connection() -> None:
    server = Server(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello")
    async with client_of(server) as client:
        answer = await client.request(b"POST", b"/", [], b"body")
        assert (answer.status, await answer.read()) == (200, b"hello")
        answer.close()
        assert client._idle == []


async def test_an_answer_that_nobody_reads_stays_with_the_server() -> None:
    size = MOST_UNREAD_BYTES * 64
    server = Server(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size + b"x" * size)
    async with client_of(server) as client:
        answer = await client.request(b"GET", b"/", [], b"")
        await until(lambda: answer._paused)
        assert answer._unread_bytes < size
        assert len(await answer.read_all()) == size
        answer.close()
        assert len(client._idle) == 1
