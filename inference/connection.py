"""uvicorn's connection, on which completions take a way of their own: no scope, no messages, one write for an answer.

What uvicorn knows of a connection stays its own: parsing, keep-alive, requests sent before the answer to the last one,
flow control and shutdown.  docs/adr/0002 has the figures.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from core.http_client import Headers

Serve = Callable[["Call"], Awaitable[None]]


class ClientLeft(Exception):
    """Nobody is there any more to answer."""


class Connection(HttpToolsProtocol):
    """`ways` lead a POST to one of their paths to a function; every other request goes to the ASGI application.

    The `on_…` methods are what the parser calls.
    """

    def __init__(self, ways: Mapping[str, Serve], **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._ways = {path.encode(): serve for path, serve in ways.items()}
        self._call: Call | None = None
        """The request that is being read, if it is one for a way of its own."""
        self._unanswered: list[Call] = []
        """More than one where the client does not wait for the answer to the last."""

    def on_message_begin(self) -> None:
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self._call = None

    def on_headers_complete(self) -> None:
        url = httptools.parse_url(self.url)
        serve = self._ways.get(url.path) if self.parser.get_method() == b"POST" else None
        if serve is None:
            self._begin_asgi()
            return
        last = self.cycle
        call = Call(self, serve, url.path, url.query or b"")
        self._call, self.cycle = call, cast(RequestResponseCycle, call)
        self._unanswered.append(call)
        if last is None or last.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def on_body(self, body: bytes) -> None:
        if self._call is not None:
            self._call.feed(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._call is not None:
            self._call.end()
        else:
            super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """The protocol's part: see asyncio.Protocol."""
        super().connection_lost(exc)
        for call in self._unanswered:
            call.leave()

    def answered(self, call: "Call") -> None:
        """The answer has gone out."""
        self._unanswered.remove(call)
        self.on_response_complete()

    def _begin_asgi(self) -> None:
        url, expects, headers = self.url, self.expect_100_continue, self.headers
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers[:] = headers
        super().on_headers_complete()


class Call:
    """One request, and the way back to its client.

    In uvicorn's eyes it is a `RequestResponseCycle`; the attributes up to `keep_alive` are what it looks at there.
    """

    message_event = asyncio.Event()
    """Of all calls: uvicorn sets it when the client has left, and nobody waits for it."""

    def __init__(self, connection: Connection, serve: Serve, path: bytes, query: bytes) -> None:
        self.response_complete = False
        self.disconnected = False
        self.keep_alive: bool = connection.parser.should_keep_alive() and connection.parser.get_http_version() != "1.0"
        self.path, self.query = path, query
        self.headers: Headers = connection.headers
        """Names in lower case."""
        self.body_bytes = 0
        """So much of the body has arrived."""
        self.on_left: Callable[[], None] | None = None
        """Called when the client leaves before the end of its answer."""
        self._connection = connection
        self._serve = serve
        self._chunks: list[bytes] = []
        self._body_complete = False
        self._waiter: asyncio.Future[None] | None = None
        self._expects_100 = connection.expect_100_continue
        self._is_chunked = False

    async def run_asgi(self, app: object) -> None:
        """What uvicorn starts in a task of its own."""
        try:
            await self._serve(self)
        finally:
            if not self.response_complete:
                self._connection.transport.abort()

    async def read(self, limit_bytes: int) -> bytes:
        """The whole body, or as much of it as there was when it went over the limit; ClientLeft."""
        while not self._body_complete and self.body_bytes <= limit_bytes:
            if self.disconnected:
                raise ClientLeft
            if self._expects_100:
                self._expects_100 = False
                self._connection.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._waiter = self._connection.loop.create_future()
            await self._waiter
        return self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)

    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a whole answer; the headers must not hold Content-Length."""
        await self._writable()
        if not self.disconnected:
            head = self._head(status, headers, b"content-length: %d\r\n\r\n" % len(body))
            self._connection.transport.write(head + body)
            self._finish()

    async def begin(self, status: int, headers: Headers) -> None:
        """Send the head of an answer whose length is not known yet."""
        await self._writable()
        if not self.disconnected:
            self._connection.transport.write(self._head(status, headers, b"transfer-encoding: chunked\r\n\r\n"))

    async def write(self, chunk: bytes, *, more: bool) -> None:
        """Send a part of its body at once; with the last one it ends."""
        await self._writable()
        if not self.disconnected:
            framed = b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunk else b""
            self._connection.transport.write(framed if more else framed + b"0\r\n\r\n")
            if not more:
                self._finish()

    def feed(self, chunk: bytes) -> None:
        """A part of the body has arrived; what comes after the answer is dropped."""
        if not self.response_complete:
            self._chunks.append(chunk)
            self.body_bytes += len(chunk)
            self._wake()

    def end(self) -> None:
        """All of the body has arrived."""
        self._body_complete = True
        self._wake()

    def leave(self) -> None:
        """The client closed the connection."""
        self.disconnected = True
        self._wake()
        if self.on_left is not None:
            self.on_left()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _writable(self) -> None:
        flow = self._connection.flow
        if flow.write_paused and not self.disconnected:
            await flow.drain()

    def _head(self, status: int, headers: Headers, framing: bytes) -> bytes:
        lines = [STATUS_LINE[status]]
        for name, value in (*self._connection.server_state.default_headers, *headers):
            lines += (name, b": ", value, b"\r\n")
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        lines.append(framing)
        return b"".join(lines)

    def _finish(self) -> None:
        self.response_complete = True
        if not self.keep_alive:
            self._connection.transport.close()
        self._connection.answered(self)
