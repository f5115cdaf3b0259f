"""Forwards a request to another HTTP server and streams the answer back, unread and as it comes.

The api uses it to reach the gateway; the gateway, which changes what passes, shares its rules for headers and for
streams that break off.  A client that goes away ends the request upstream, so nothing is generated for nobody.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from core.errors import ServiceError, UpstreamFailed
from core.http_client import Answer, BrokenOff, Headers, HttpClient

HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer trailers "
    b"transfer-encoding upgrade".split()
)
"""Headers that belong to one connection (RFC 9110, section 7.6.1)."""
_NOT_SENT_ON = HOP_BY_HOP | {b"host", b"content-length", b"accept-encoding", b"expect"}
_NOT_SENT_BACK = HOP_BY_HOP | {b"date", b"server"}
EVENT_STREAM = b"text/event-stream"
_CLIENT_GONE = 499


class Upstream:
    """One HTTP server behind this one; make it inside the running event loop."""

    def __init__(self, base_url: str, name: str = "upstream", connect_timeout_s: float = 5.0) -> None:
        self.name = name
        self._client = HttpClient(base_url, connect_timeout_s)

    async def forward(self, request: Request, path: str, *, headers: Mapping[str, str] | None = None) -> Response:
        """Send the request on to `path` with its method and query, and return the answer as it streams in.

        `headers` are set on top of its own.  UpstreamFailed when there is no answer to pass on.
        """
        query = request.scope["query_string"]
        ours = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
        sending = asyncio.ensure_future(
            self._client.request(
                request.method.encode(),
                path.encode() + (b"?" + query if query else b""),
                headers_to_send(request.headers.raw, ours),
                await request.body(),
            )
        )
        try:
            if not await _answered_before_client_left(request, sending):
                return Response(status_code=_CLIENT_GONE)
            answer = sending.result()
        except BrokenOff as error:
            raise did_not_answer(self.name, self._client.base_url, error) from error
        finally:
            sending.cancel()
        response = StreamingResponse(_relay(answer, self.name), answer.status)
        response.raw_headers = headers_to_return(answer)
        return response

    async def close(self) -> None:
        """Close every idle connection."""
        self._client.close()


def did_not_answer(name: str, base_url: str, error: BrokenOff) -> UpstreamFailed:
    """The server could not be reached, or closed the connection before it answered."""
    return UpstreamFailed(f"{name} at {base_url} did not answer ({error}): see its log")


def broke_off(name: str, error: BrokenOff) -> UpstreamFailed:
    """A part of the answer is with the client already."""
    return UpstreamFailed(f"{name} broke off in the middle of the answer ({error}): send the request again")


def error_event(error: ServiceError) -> bytes:
    """The end of a stream of events that cannot go on, which SDKs raise; one that simply stops looks complete."""
    return b"data: " + json.dumps(error.body()).encode() + b"\n\n"


def headers_to_send(theirs: Iterable[tuple[bytes, bytes]], ours: Headers) -> Headers:
    """The client's end-to-end headers under ours; the answer is asked for uncompressed, so it can be rewritten."""
    theirs = list(theirs)
    dropped = _NOT_SENT_ON.union(_named_by(theirs), dict(ours))
    return [*[header for header in theirs if header[0] not in dropped], (b"accept-encoding", b"identity"), *ours]


def headers_to_return(answer: Answer) -> Headers:
    """The answer's end-to-end headers."""
    dropped = _NOT_SENT_BACK.union(_named_by(answer.headers)) if answer.header(b"connection") else _NOT_SENT_BACK
    return [header for header in answer.headers if header[0] not in dropped]


def _named_by(headers: Iterable[tuple[bytes, bytes]]) -> Iterable[bytes]:
    """The further headers that a Connection header declares to be for this hop only."""
    for name, value in headers:
        if name == b"connection":
            return [one.strip().lower() for one in value.split(b",")]
    return ()


async def _answered_before_client_left(request: Request, sending: "asyncio.Future[Answer]") -> bool:
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


async def _relay(answer: Answer, name: str) -> AsyncIterator[bytes]:
    try:
        while chunk := await answer.read():
            yield chunk
    except BrokenOff as error:
        if not answer.header(b"content-type").startswith(EVENT_STREAM):
            raise
        yield error_event(broke_off(name, error))
    finally:
        answer.close()
