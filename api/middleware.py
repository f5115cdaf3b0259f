"""Pure ASGI middleware at the edge: an id for every request, one answer to what nobody handled, a limit for bodies."""

import logging
import re
import secrets
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import render
from core.errors import BodyTooLarge, InvalidRequest, ServiceError

log = logging.getLogger("api")
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
LINGER_BYTES = 16_000_000
LINGER_S = 2.0


class RequestEdge:
    """Gives every request and its answer an `x-request-id`, and turns an unhandled exception into a 500.

    It stands inside Starlette's own error middleware, whose answers would carry no such header.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers = MutableHeaders(scope=scope)
        request_id = headers.get("x-request-id", "")
        if not _REQUEST_ID.fullmatch(request_id):
            request_id = f"req_{secrets.token_hex(12)}"
            headers["x-request-id"] = request_id
        answered = False

        async def send_with_id(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        try:
            if "\0" in scope["path"] or b"%00" in scope["query_string"]:
                refusal = InvalidRequest("the URL holds a NUL character (%00): remove it")
                return await render(refusal)(scope, receive, send_with_id)
            await self.app(scope, receive, send_with_id)
        except Exception:
            log.exception("request.failed request_id=%s %s %s", request_id, scope["method"], scope["path"])
            if answered:
                raise
            failure = ServiceError(f"unexpected error: look for request id {request_id} in the log of the api")
            await render(failure)(scope, receive, send_with_id)


class BodyLimit:
    """Refuses a body over the limit with 413: at its Content-Length, or at the first byte over it when chunked.

    The paths that take uploads have a limit of their own (`api.uploads`).
    """

    def __init__(self, app: ASGIApp, limit_bytes: int, upload_paths: tuple[str, ...] = ()) -> None:
        self.app = app
        self.limit_bytes = limit_bytes
        self.upload_paths = upload_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self.upload_paths:
            return await self.app(scope, receive, send)
        length = Headers(scope=scope).get("content-length", "")
        if length.isdigit() and int(length) > self.limit_bytes:
            return await self._refuse(receive, send)
        seen_bytes, answered = 0, False

        async def receive_within_limit() -> Message:
            nonlocal seen_bytes
            message = await receive()
            seen_bytes += len(message.get("body", b""))
            if seen_bytes > self.limit_bytes:
                raise BodyTooLarge("too large")
            return message

        async def send_unless_refused(message: Message) -> None:
            nonlocal answered
            # FastAPI makes a 400 of whatever is raised while it reads a body: drop that answer.
            if seen_bytes <= self.limit_bytes:
                answered = True
                await send(message)

        try:
            await self.app(scope, receive_within_limit, send_unless_refused)
        except BodyTooLarge:
            if answered:
                raise
        if seen_bytes > self.limit_bytes and not answered:
            await self._refuse(receive, send)

    async def _refuse(self, receive: Receive, send: Send) -> None:
        """Answer, then throw away what is still coming for a moment.

        Closing at once would make the kernel reset the connection, and many clients would never see the answer.
        """
        refusal = BodyTooLarge(f"the body is larger than the limit of {self.limit_bytes:,} bytes: send a smaller one")
        answer = render(refusal)
        headers = [*answer.raw_headers, (b"connection", b"close")]
        await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body, "more_body": True})
        dropped_bytes, until = 0, time.monotonic() + LINGER_S
        while dropped_bytes < LINGER_BYTES and time.monotonic() < until:
            message = await receive()
            dropped_bytes += len(message.get("body", b""))
            if not message.get("more_body"):
                break
        await send({"type": "http.response.body"})
