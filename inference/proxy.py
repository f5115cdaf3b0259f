"""`POST /v1/chat/completions` and `/v1/completions`: through the gate, to vLLM, and back under the public name."""

import asyncio
import json
import re
import secrets

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from core.errors import BodyTooLarge, NotAuthenticated, UpstreamFailed
from core.passthrough import Upstream
from inference.errors import normalised
from inference.names import ModelEcho, take_model
from inference.routes import Routes, Target

MODEL_HEADER = "x-tunesmith-model-version"
REQUEST_ID_HEADER = "x-request-id"
ATTEMPTS = 2
DEATH_NOTICED_WITHIN_S = 1.0
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class Endpoint:
    """What the routes share: where each model is, and the connections to every vLLM."""

    def __init__(self, routes: Routes, key: str, max_body_bytes: int) -> None:
        self.routes = routes
        self._upstreams: dict[str, Upstream] = {}
        self._authorization = f"Bearer {key}".encode()
        self._max_body_bytes = max_body_bytes

    def upstream(self, base_url: str) -> Upstream:
        """The connections to one vLLM."""
        if base_url not in self._upstreams:
            self._upstreams[base_url] = Upstream(base_url, name="vLLM")
        return self._upstreams[base_url]

    async def close(self) -> None:
        """Close every connection."""
        for upstream in self._upstreams.values():
            await upstream.close()

    def authorize(self, request: Request) -> None:
        """Raise NotAuthenticated unless the request carries the key; takes as long for any wrong one."""
        given = request.headers.get("authorization", "").encode()
        if not secrets.compare_digest(given, self._authorization):
            raise NotAuthenticated("wrong or missing key: send `Authorization: Bearer <TUNESMITH_ADMIN_KEY>`")


class Completions:
    """An ASGI endpoint, so that a request is inside of the gate until its last byte has gone out."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint, request = self._endpoint, Request(scope, receive)
        endpoint.authorize(request)
        name, body = take_model(await read_body(request, endpoint._max_body_bytes))
        for attempts_left in reversed(range(ATTEMPTS)):
            async with endpoint.routes.passing(name) as passage:
                try:
                    response = await self._forward(request, name, body, passage.target)
                except UpstreamFailed:
                    if not attempts_left:
                        raise
                else:
                    if passage.trial is not None:
                        passage.trial.record(passage.target, response.status_code >= 500, None)
                    await response(scope, receive, send)
                    return
            await self._until_death_is_noticed(passage.target)

    async def _forward(self, request: Request, name: str, body: bytes, target: Target) -> Response:
        request_id = request_id_of(request)
        headers = {"authorization": f"Bearer {target.backend.api_key}", REQUEST_ID_HEADER: request_id}
        upstream = self._endpoint.upstream(target.backend.base_url)
        body = json.dumps({**json.loads(body), "model": target.engine_name}).encode()
        response = await upstream.forward(
            request, request.url.path, body=body, headers=headers, rewriter=ModelEcho(name, target.engine_name)
        )
        if response.status_code >= 400 and isinstance(response, StreamingResponse):
            content = b"".join([chunk async for chunk in response.body_iterator if isinstance(chunk, bytes)])
            response = Response(
                normalised(response.status_code, content), response.status_code, None, "application/json"
            )
        response.headers[MODEL_HEADER] = target.model_id
        response.headers[REQUEST_ID_HEADER] = request_id
        return response

    async def _until_death_is_noticed(self, target: Target) -> None:
        """vLLM broke off before it answered.  Nothing was sent, so the request waits for the next vLLM at the gate."""
        deadline = asyncio.get_running_loop().time() + DEATH_NOTICED_WITHIN_S
        while target.backend.gate.closed_for is None and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
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
