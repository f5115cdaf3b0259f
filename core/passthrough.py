"""Forwards a request to another HTTP server and streams the answer back, unread and as it comes.

The api uses it to reach the gateway, the gateway to reach vLLM.  aiohttp carries the traffic; see docs/adr/0002.
A client that goes away ends the request upstream, so nothing is generated for nobody.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Protocol

import aiohttp
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from yarl import URL

from core.errors import UpstreamFailed

HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer trailers "
    b"transfer-encoding upgrade".split()
)
"""Headers that belong to one connection (RFC 9110, section 7.6.1)."""
_NOT_SENT_ON = HOP_BY_HOP | {b"host", b"content-length", b"accept-encoding", b"expect"}
_NOT_SENT_BACK = HOP_BY_HOP | {b"content-length", b"date", b"server"}
# uvicorn closes a connection that was idle for 5 s; one reused at that very moment would fail a request.
IDLE_CONNECTION_S = 2.0
_CLIENT_GONE = 499


class Rewriter(Protocol):
    """Changes an answer while it passes: `feed` takes each chunk, `finish` returns what was held back."""

    def feed(self, chunk: bytes) -> bytes: ...

    def finish(self) -> bytes: ...


class Upstream:
    """One HTTP server behind this one, with its pool of connections; make it inside the running event loop."""

    def __init__(self, base_url: str, name: str = "upstream", connect_timeout_s: float = 5.0) -> None:
        self.base_url = base_url.rstrip("/")
        self.name = name
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_CONNECTION_S),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    async def forward(
        self,
        request: Request,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        rewriter: Rewriter | None = None,
    ) -> Response:
        """Send the request on to `path` with its method and query, and return the answer as it streams in.

        `body` replaces the request's, `headers` are set on top of its own, `rewriter` changes the answer's body.
        UpstreamFailed when there is no answer to pass on.
        """
        content = await request.body() if body is None else body
        sending = asyncio.ensure_future(
            self._session.request(
                request.method,
                URL(f"{self.base_url}{path}" + (f"?{request.url.query}" if request.url.query else ""), encoded=True),
                data=content or None,
                headers=_headers_to_send(request, headers or {}),
                allow_redirects=False,
            )
        )
        try:
            if not await _answered_before_client_left(request, sending):
                return Response(status_code=_CLIENT_GONE)
            answer = sending.result()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise UpstreamFailed(f"{self.name} at {self.base_url} did not answer ({error}): see its log") from error
        finally:
            sending.cancel()
        response = StreamingResponse(_relay(answer, rewriter, self.name), answer.status)
        response.raw_headers = _headers_to_return(answer, keep_length=rewriter is None)
        return response

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()


async def _answered_before_client_left(request: Request, sending: "asyncio.Future[aiohttp.ClientResponse]") -> bool:
    """Wait for the answer's headers or for the client to go away, whichever comes first."""
    leaving = asyncio.ensure_future(_client_left(request))
    try:
        await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
    finally:
        leaving.cancel()
    return sending.done()


async def _client_left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _relay(answer: aiohttp.ClientResponse, rewriter: Rewriter | None, name: str) -> AsyncIterator[bytes]:
    """The answer's body.  A stream of events that breaks off ends with an error event, which SDKs raise."""
    try:
        async for chunk in answer.content.iter_any():
            if rewritten := rewriter.feed(chunk) if rewriter else chunk:
                yield rewritten
        if rewriter and (rest := rewriter.finish()):
            yield rest
    except aiohttp.ClientError as error:
        if answer.content_type != "text/event-stream":
            raise
        failure = UpstreamFailed(f"{name} broke off in the middle of the answer ({error}): send the request again")
        yield b"data: " + json.dumps(failure.body()).encode() + b"\n\n"
    finally:
        answer.close()


def _headers_to_send(request: Request, extra: Mapping[str, str]) -> list[tuple[str, str]]:
    """The client's end-to-end headers under ours; the answer is asked for uncompressed, so it can be rewritten."""
    ours = {name.lower().encode() for name in extra}
    dropped = _NOT_SENT_ON | ours | _named_by(request.headers.get("connection", ""))
    kept = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in request.headers.raw if k not in dropped]
    return [*kept, ("accept-encoding", "identity"), *extra.items()]


def _headers_to_return(answer: aiohttp.ClientResponse, *, keep_length: bool) -> list[tuple[bytes, bytes]]:
    dropped = _NOT_SENT_BACK | _named_by(answer.headers.get("connection", ""))
    if keep_length:
        dropped -= {b"content-length"}
    return [(key.lower(), value) for key, value in answer.raw_headers if key.lower() not in dropped]


def _named_by(connection: str) -> frozenset[bytes]:
    """The further headers that a Connection header declares to be for this hop only."""
    return frozenset(name.strip().lower().encode() for name in connection.split(",") if name.strip())
