"""Renders every error in the one shape, vLLM's own included."""

import json
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from core.errors import ServiceError
from core.http_client import Headers

RETRY_AFTER_S = 5
_CODES = {400: "invalid_request", 401: "invalid_api_key", 404: "not_found", 422: "invalid_request", 429: "rate_limited"}


def error_headers(error: ServiceError) -> dict[str, str]:
    """When to come back, and which kind of key is missing."""
    if error.retry_after_s is not None or error.status == 503:
        return {"retry-after": str(error.retry_after_s or RETRY_AFTER_S)}
    return {"www-authenticate": "Bearer"} if error.status == 401 else {}


def rendered(error: ServiceError) -> tuple[int, Headers, bytes]:
    """Status, headers and body of the answer to an error."""
    body = json.dumps(error.body()).encode()
    headers = [(name.encode(), value.encode()) for name, value in error_headers(error).items()]
    return error.status, [*headers, (b"content-type", b"application/json")], body


def render(request: Request, error: Exception) -> JSONResponse:
    """The answer to a ServiceError."""
    assert isinstance(error, ServiceError)
    return JSONResponse(error.body(), error.status, error_headers(error))


def render_http(request: Request, error: Exception) -> JSONResponse:
    """The answer to what the framework itself refuses: unknown paths and methods."""
    assert isinstance(error, HTTPException)
    message = f"{request.method} {request.url.path}: {error.detail}"
    body = {"message": message, "type": "invalid_request_error", "param": None, "code": _code(error.status_code)}
    return JSONResponse({"error": body}, error.status_code, error.headers)


def render_unexpected(request: Request, error: Exception) -> JSONResponse:
    """The answer to a fault of ours; the framework logs the traceback."""
    return JSONResponse(ServiceError("the gateway failed: see its log").body(), 500)


def normalised(status: int, body: bytes) -> bytes:
    """An error of vLLM in our shape: its code is a number there, or there is no JSON at all."""
    try:
        content = json.loads(body)
        found: Any = content.get("error", content)
        message, param = str(found["message"]), found.get("param")
    except (ValueError, TypeError, KeyError, AttributeError):
        message, param = body.decode(errors="replace")[:500] or f"vLLM answered {status}", None
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return json.dumps({"error": {"message": message, "type": kind, "param": param, "code": _code(status)}}).encode()


def _code(status: int) -> str:
    return _CODES.get(status, "engine_error" if status >= 500 else "invalid_request")
