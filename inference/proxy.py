"""`POST /v1/chat/completions` and `/v1/completions`: through the gate, to vLLM, and back under the public name."""

import asyncio
import re
import secrets

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from core.errors import BodyTooLarge, NotAuthenticated, NotServing, UpstreamFailed
from core.passthrough import Upstream
from inference.engine import Engine
from inference.errors import normalised
from inference.gate import Gate
from inference.names import ModelEcho, Served, take_model

MODEL_HEADER = "x-tunesmith-model-version"
REQUEST_ID_HEADER = "x-request-id"
ATTEMPTS = 2
DEATH_NOTICED_WITHIN_S = 1.0
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class Endpoint:
    """What the routes and the reconciler share: the gate, vLLM behind it, and the model that is served."""

    def __init__(self, gate: Gate, engine: Engine, upstream: Upstream, key: str, max_body_bytes: int) -> None:
        self.gate = gate
        self.engine = engine
        self.upstream = upstream
        self.served: Served | None = None
        self._authorization = f"Bearer {key}".encode()
        self._max_body_bytes = max_body_bytes

    def authorize(self, request: Request) -> None:
        """Raise NotAuthenticated unless the request carries the key; takes as long for any wrong one."""
        given = request.headers.get("authorization", "").encode()
        if not secrets.compare_digest(given, self._authorization):
            raise NotAuthenticated("wrong or missing key: send `Authorization: Bearer <TUNESMITH_ADMIN_KEY>`")

    def require_served(self) -> Served:
        """The model that answers, or NotServing."""
        if self.served is None:
            raise NotServing("no model is live: post a job, or ask for a deployment (GET /deployments shows them)")
        return self.served


class Completions:
    """An ASGI endpoint, so that a request is inside of the gate until its last byte has gone out."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint, request = self._endpoint, Request(scope, receive)
        endpoint.authorize(request)
        name, body = take_model(await read_body(request, endpoint._max_body_bytes))
        for attempts_left in reversed(range(ATTEMPTS)):
            async with endpoint.gate.passing():
                try:
                    response = await self._forward(request, name, body)
                except UpstreamFailed:
                    if not attempts_left:
                        raise
                else:
                    await response(scope, receive, send)
                    return
            await self._until_death_is_noticed()

    async def _forward(self, request: Request, name: str, body: bytes) -> Response:
        served = self._endpoint.require_served()
        served.check_name(name)
        request_id = request_id_of(request)
        headers = {"authorization": f"Bearer {self._endpoint.engine.api_key}", REQUEST_ID_HEADER: request_id}
        upstream = self._endpoint.upstream
        response = await upstream.forward(
            request, request.url.path, body=body, headers=headers, rewriter=ModelEcho(name)
        )
        if response.status_code >= 400 and isinstance(response, StreamingResponse):
            content = b"".join([chunk async for chunk in response.body_iterator if isinstance(chunk, bytes)])
            response = Response(
                normalised(response.status_code, content), response.status_code, None, "application/json"
            )
        response.headers[MODEL_HEADER] = served.model_id
        response.headers[REQUEST_ID_HEADER] = request_id
        return response

    async def _until_death_is_noticed(self) -> None:
        """vLLM broke off before it answered.  Nothing was sent, so the request waits for the next vLLM at the gate."""
        deadline = asyncio.get_running_loop().time() + DEATH_NOTICED_WITHIN_S
        while self._endpoint.gate.closed_for is None and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def read_body(request: Request, limit_bytes: int) -> bytes:
    """The request's body, read no further than the limit."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit_bytes:
            raise BodyTooLarge(
                f"the body is larger than {limit_bytes} bytes: send less, or raise TUNESMITH_MAX_BODY_BYTES"
            )
        chunks.append(chunk)
    return b"".join(chunks)


def request_id_of(request: Request) -> str:
    """The client's own request id when it is a sane one, else a new one."""
    given = request.headers.get(REQUEST_ID_HEADER, "")
    return given if _REQUEST_ID.fullmatch(given) else f"req-{secrets.token_hex(12)}"
