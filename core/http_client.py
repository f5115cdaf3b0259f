"""A small HTTP/1.1 client for traffic that passes through: kept-alive connections to one server, bodies as they come.

httptools, the parser that uvicorn has, reads the answers; docs/adr/0002 has the figures.  One request is one write, and
whoever reads an answer is woken once for everything that has arrived.  There are no redirects, cookies or proxies, and
nothing is decompressed.  HEAD is not spoken: its answers cannot be told from those that break off.
"""

import asyncio
import ssl
from collections.abc import Iterable
from typing import cast
from urllib.parse import urlsplit

import httptools

# uvicorn closes a connection that was idle for 5 s; one reused at that very moment would fail a request.
IDLE_CONNECTION_S = 2.0
MOST_UNREAD_BYTES = 256 * 1024
"""More than so much of an answer is not taken from the network before it is read."""

Headers = list[tuple[bytes, bytes]]


class BrokenOff(Exception):
    """The server cannot be reached, closed the connection before the end of the answer, or does not speak HTTP."""


class HttpClient:
    """Connections to the server at `base_url`; make and use it inside of one event loop."""

    def __init__(self, base_url: str, connect_timeout_s: float = 5.0) -> None:
        url = urlsplit(base_url)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ValueError(f"{base_url!r} is no http:// or https:// URL")
        self.base_url = base_url.rstrip("/")
        self._path = url.path.rstrip("/").encode()
        self._ssl = ssl.create_default_context() if url.scheme == "https" else None
        self._host, self._port = url.hostname, url.port or (443 if self._ssl else 80)
        self._host_header = url.netloc.rpartition("@")[2].encode()
        self._connect_timeout_s = connect_timeout_s
        self._idle: list[Connection] = []

    async def request(
        self, method: bytes, target: bytes, headers: Iterable[tuple[bytes, bytes]], body: bytes
    ) -> "Answer":
        """Send the request, and return once the head of the answer is there.

        `headers` must hold neither Host nor Content-Length.  Whoever gets the answer closes it.
        """
        lines = [b"%b %b%b HTTP/1.1\r\nhost: %b\r\n" % (method, self._path, target, self._host_header)]
        for name, value in headers:
            lines += (name, b": ", value, b"\r\n")
        if body or method not in (b"GET", b"DELETE"):
            lines.append(b"content-length: %d\r\n" % len(body))
        lines += (b"\r\n", body)
        connection = self._take() or await self._connect()
        answer = connection.send(b"".join(lines))
        try:
            while not answer.status:
                await answer.more()
        except BaseException:
            answer.close()
            raise
        return answer

    def close(self) -> None:
        """Close the connections that are idle; the others are closed when their answers are."""
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> "Connection | None":
        """The connection that was used last; once that has idled too long, all have."""
        if not self._idle:
            return None
        connection = self._idle.pop()
        if connection.loop.time() - connection.idle_since_s < IDLE_CONNECTION_S:
            return connection
        connection.close()
        self.close()
        return None

    async def _connect(self) -> "Connection":
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                _, connection = await loop.create_connection(
                    lambda: Connection(loop, self._idle), self._host, self._port, ssl=self._ssl
                )
        except (OSError, TimeoutError) as error:
            raise BrokenOff(str(error) or f"no connection within {self._connect_timeout_s:g} s") from error
        return connection


class Connection(asyncio.Protocol):
    """One connection: it waits in `idle`, or carries one request and its answer.

    The `on_…` methods are what the parser calls.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, idle: "list[Connection]") -> None:
        self.loop = loop
        self.idle_since_s = 0.0
        self._idle = idle
        self._answer: Answer | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport

    def send(self, request: bytes) -> "Answer":
        """Write a whole request; its answer has yet to come."""
        self._answer = answer = Answer(self, self._transport)
        self._transport.write(request)
        return answer

    def release(self) -> None:
        """The answer is at its end: keep the connection for the next request."""
        self._answer = None
        if not self._transport.is_closing():
            self.idle_since_s = self.loop.time()
            self._idle.append(self)

    def close(self) -> None:
        """Close the connection at once; vLLM stops generating for it."""
        self._answer = None
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The protocol's part: see asyncio.Protocol, as for the two below."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its type

    def data_received(self, chunk: bytes) -> None:
        answer = self._answer
        if answer is None:  # Nobody asked for it.
            self._transport.abort()
            return
        try:
            self._parser.feed_data(chunk)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            answer.fail(f"not an HTTP answer: {error}")
        answer.wake()

    def connection_lost(self, error: Exception | None) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.connection_lost(error)
        elif self in self._idle:
            self._idle.remove(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._answer is not None:
            self._answer.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        if self._answer is not None:
            self._answer.begin(self._parser.get_status_code(), keep_alive=self._parser.should_keep_alive())

    def on_body(self, chunk: bytes) -> None:
        if self._answer is not None:
            self._answer.feed(chunk)

    def on_message_complete(self) -> None:
        if self._answer is not None:
            self._answer.end()


class Answer:
    """The answer to one request, read by one task."""

    def __init__(self, connection: Connection, transport: asyncio.Transport) -> None:
        self.status = 0
        self.headers: Headers = []
        """Names in lower case."""
        self.complete = False
        """All of it has arrived, though not all of it may have been read."""
        self._connection = connection
        self._transport = transport
        self._chunks: list[bytes] = []
        self._unread_bytes = 0
        self._paused = False
        self._failure: str | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._keep_alive = False
        self._closed = False

    def header(self, name: bytes) -> bytes:
        """The value of the first header of that name, in lower case, or nothing."""
        for known, value in self.headers:
            if known == name:
                return value
        return b""

    async def read(self) -> bytes:
        """What has arrived since the last time, at least a byte; nothing at the end of the body."""
        while not self._chunks:
            if self.complete:
                return b""
            await self.more()
        return self._take()

    async def read_all(self) -> bytes:
        """The rest of the body."""
        if self.complete:
            return self._take()
        chunks = []
        while chunk := await self.read():
            chunks.append(chunk)
        return b"".join(chunks)

    @property
    def at_end(self) -> bool:
        """Everything has arrived and was read."""
        return self.complete and not self._chunks

    def close(self) -> None:
        """Be done with the answer.  Unless it is at its end, its connection is closed too."""
        if self._closed:
            return
        self._closed = True
        if self.complete and self._keep_alive and self._failure is None and not self._paused:
            self._connection.release()
        else:
            self._connection.close()

    def more(self) -> "asyncio.Future[None]":
        """Done once more has arrived, or nothing will; BrokenOff when that is known already."""
        if self._failure is not None:
            raise BrokenOff(self._failure)
        self._waiter = waiter = self._connection.loop.create_future()
        return waiter

    def _take(self) -> bytes:
        chunk = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self._unread_bytes = 0
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        return chunk

    def wake(self) -> None:
        """Let the reader look again."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def fail(self, reason: str) -> None:
        """There will be no more of it."""
        self._failure = self._failure or reason

    def connection_lost(self, error: Exception | None) -> None:
        """The end of an answer that is as long as its connection lives, else a failure."""
        if self.status and not (self.header(b"content-length") or self.header(b"transfer-encoding")):
            self.complete = True
        if not self.complete:
            self.fail(str(error) if error else "the connection was closed")
        self.wake()

    def begin(self, status: int, *, keep_alive: bool) -> None:
        """The head is there; one of a status below 200 is followed by another."""
        if status >= 200:
            self.status, self._keep_alive = status, keep_alive
        else:
            self.headers.clear()

    def feed(self, chunk: bytes) -> None:
        """A part of the body has arrived."""
        self._chunks.append(chunk)
        self._unread_bytes += len(chunk)
        if self._unread_bytes > MOST_UNREAD_BYTES and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def end(self) -> None:
        """All of the body has arrived, if it is that of the answer itself."""
        self.complete = self.status > 0
