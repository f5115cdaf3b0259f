"""The forwarder over real sockets: a small app forwards to an upstream that streams, refuses, hangs, or breaks off."""

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from bench.ports import free_port
from core.errors import ServiceError
from core.passthrough import Upstream
from inference.errors import render
from tests.waiting import wait_until


class Source:
    """The upstream; `left` counts the clients that went away while it was still at work."""

    def __init__(self) -> None:
        self.left = 0
        self.app = Starlette(
            routes=[
                Route("/echo", self.echo, methods=["POST"]),
                Route("/hang", self.hang, methods=["POST"]),
                Route("/endless", self.endless, methods=["POST"]),
            ]
        )

    async def echo(self, request: Request) -> Response:
        seen = {"query": request.url.query, "body": (await request.body()).decode(), "headers": dict(request.headers)}
        return JSONResponse(seen, 201, {"x-mine": "1", "keep-alive": "timeout=9"})

    async def hang(self, request: Request) -> Response:
        await request.body()
        while (await request.receive())["type"] != "http.disconnect":
            pass
        self.left += 1
        return Response()

    async def endless(self, request: Request) -> Response:
        async def ticks() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"data: tick\n\n"
                    await asyncio.sleep(0.01)
            finally:
                self.left += 1

        return StreamingResponse(ticks(), media_type="text/event-stream")


@contextmanager
def served(app: Starlette) -> Iterator[str]:
    """The app on a port of its own, in a thread; its URL."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="critical", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


def forwarder(target: str) -> Starlette:
    """What the api does: one upstream for the life of the app."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.upstream = Upstream(target, name="the source")
        yield
        await app.state.upstream.close()

    async def forward(request: Request) -> Response:
        upstream: Upstream = request.app.state.upstream
        return await upstream.forward(request, request.url.path, headers={"Authorization": "Bearer ours"})

    routes = [Route("/{path:path}", forward, methods=["POST"])]
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers={ServiceError: render})


@pytest.fixture(scope="module")
def source() -> Source:
    return Source()


@pytest.fixture(scope="module")
def url(source: Source) -> Iterator[str]:
    with served(source.app) as target, served(forwarder(target)) as front:
        yield front


def test_a_request_and_its_answer_pass_but_for_what_belongs_to_a_connection(url: str) -> None:
    headers = {"authorization": "Bearer theirs", "x-own": "2", "connection": "x-hop", "x-hop": "3"}
    answer = httpx.post(f"{url}/echo?a=1&b=%2F", content="body", headers=headers)
    assert answer.status_code == 201
    assert answer.headers["x-mine"] == "1"
    assert "keep-alive" not in answer.headers
    seen = answer.json()
    assert (seen["query"], seen["body"]) == ("a=1&b=%2F", "body")
    assert (seen["headers"]["authorization"], seen["headers"]["x-own"]) == ("Bearer ours", "2")
    assert "x-hop" not in seen["headers"]


def test_a_client_that_leaves_before_the_answer_ends_it_upstream(url: str, source: Source) -> None:
    before = source.left
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{url}/hang", timeout=0.2)
    wait_until(lambda: source.left == before + 1)


def test_a_client_that_leaves_in_the_middle_of_a_stream_ends_it_upstream(url: str, source: Source) -> None:
    before = source.left
    with httpx.stream("POST", f"{url}/endless") as answer:
        assert next(answer.iter_raw()).startswith(b"data: tick")
    wait_until(lambda: source.left == before + 1)


def test_a_stream_that_breaks_off_ends_with_an_error_event() -> None:
    arrived = threading.Event()

    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        writer.write(b"b\r\ndata: one\n\n\r\n")
        await writer.drain()
        await asyncio.to_thread(arrived.wait, 10)
        writer.close()

    def through_forwarder(target: str) -> list[str]:
        with served(forwarder(target)) as front, httpx.stream("POST", f"{front}/any", timeout=20) as answer:
            chunks = answer.iter_text()
            first = next(chunks)
            arrived.set()
            return [first, *chunks]

    async def run() -> list[str]:
        async with await asyncio.start_server(break_off, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            return await asyncio.to_thread(through_forwarder, f"http://127.0.0.1:{port}")

    first, last = asyncio.run(run())
    assert first == "data: one\n\n"
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "upstream_failed"


def test_an_upstream_that_is_away_is_named() -> None:
    with served(forwarder(f"http://127.0.0.1:{free_port()}")) as front:
        answer = httpx.post(f"{front}/any")
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_failed")
    assert "the source" in answer.json()["error"]["message"]
