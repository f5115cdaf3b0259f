"""The one renderer: every error leaves the api as `{"error": {"message", "type", "param", "code"}}`."""

import difflib
import json
from collections.abc import Sequence
from typing import Any

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api.access import Caller
from api.changes import note_refusal
from core.errors import Conflict, DatabaseUnavailable, InvalidRequest, NotAuthenticated, NotFound, ServiceError, joined

OPENAI = "/v1"
"""Below it a request that is wrong is a 400, as OpenAI answers it: its SDK then raises what its users look for."""
DATABASE_AWAY = (OperationalError, InterfaceError, PoolTimeout, psycopg.OperationalError, psycopg.InterfaceError)


class MethodNotAllowed(ServiceError):
    status, code = 405, "method_not_allowed"


class BadHttpRequest(ServiceError):
    status, code = 400, "bad_request"


def render(error: ServiceError, path: str = "") -> Response:
    """The answer for an error; ASCII, for what a client sent and sees quoted may not be valid Unicode."""
    status = 400 if error.status == 422 and path.startswith(f"{OPENAI}/") else error.status
    headers = {}
    if isinstance(error, Conflict):
        headers["x-should-retry"] = "false"  # the OpenAI SDK would retry any 409
    if error.retry_after_s is not None:
        headers["retry-after"] = str(error.retry_after_s)
    if isinstance(error, NotAuthenticated):
        headers["www-authenticate"] = "Bearer"
    return Response(json.dumps(error.body()), status, headers, media_type="application/json")


def add_error_handlers(app: FastAPI) -> None:
    """Render our errors, FastAPI's validation, Starlette's routing and a database that is away."""
    app.add_exception_handler(ServiceError, _service_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    for kind in DATABASE_AWAY:
        app.add_exception_handler(kind, _database_away)


async def _service_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)
    caller = getattr(request.state, "caller", None)
    if isinstance(caller, Caller):
        await note_refusal(caller, error)
    return render(error, request.url.path)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = f"{request.method} {request.url.path}"
    if error.status_code == 404:
        return render(NotFound(f"there is no {path}: /docs lists the paths there are"))
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "others")
        return render(MethodNotAllowed(f"{path} is not possible here: this path takes {allowed}"))
    return render(BadHttpRequest(f"{path}: {error.detail}"))


async def _database_away(request: Request, error: Exception) -> Response:
    return render(DatabaseUnavailable("the database cannot be reached: retry, and check DATABASE_URL and its server"))


async def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    body_field = getattr(request.scope.get("route"), "body_field", None)
    model = body_field.field_info.annotation if body_field is not None else None
    problems = _causes(error.errors())
    errors = [InvalidRequest(_describe(problem, model), param=_name(problem["loc"])) for problem in problems]
    return render(joined(errors), request.url.path)


# ------------------------------------------------------------------ validation messages


def _causes(problems: Sequence[Any]) -> list[Any]:
    """The problems without those that only follow from one inside them: a list that lacks its bad entry is short."""
    locs = {tuple(problem["loc"]) for problem in problems}
    outer = {loc[:length] for loc in locs for length in range(len(loc))}
    return [problem for problem in problems if tuple(problem["loc"]) not in outer]


def _describe(problem: Any, model: Any) -> str:
    """`stages[0].lora.r is 0: should be greater than or equal to 1`."""
    kind, name, given = problem["type"], _name(problem["loc"]), problem.get("input")
    if kind == "json_invalid":
        return f"the body is not valid JSON: {problem['ctx']['error']} at character {problem['loc'][-1]}"
    if kind == "model_attributes_type" and name == "body":
        return "the body must be a JSON object, sent with `Content-Type: application/json`"
    if kind == "missing" and name == "body":
        return "the body is missing: send a JSON object"
    if kind == "missing":
        return f"{name} is missing: it is required"
    if kind == "extra_forbidden":
        return _describe_unknown_key(name, problem["loc"], model)
    rule = problem["msg"].removeprefix("Value error, ")
    if kind == "value_error":
        return f"{name}: {rule}" if name != "body" else rule
    rule = rule.removeprefix("Input ").removeprefix("String ").removeprefix("Dictionary ").removeprefix("Tuple ")
    return f"{name} is {_shown(given)}: it {rule}"


def _describe_unknown_key(name: str, loc: Sequence[int | str], model: Any) -> str:
    known = _known_keys(model, loc[1:-1])
    near = difflib.get_close_matches(str(loc[-1]), known, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"{name} is not a known key: {hint}known here are {', '.join(known)}" if known else f"{name} is not known"


def _known_keys(model: Any, path: Sequence[int | str]) -> list[str]:
    """The keys of the model found by walking `path` through the fields of nested models and lists of them."""
    for step in path:
        if isinstance(model, type) and issubclass(model, BaseModel) and step in model.model_fields:
            model = model.model_fields[str(step)].annotation
        candidates = [model, *getattr(model, "__args__", ())]
        model = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), model)
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _name(loc: Sequence[int | str]) -> str:
    """`("body", "stages", 0, "lora", "r")` -> `stages[0].lora.r`."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc[1:]]
    return "".join(parts).lstrip(".") or str(loc[0])


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else f"{text[:77]}..."
