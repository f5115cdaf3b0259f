"""The routes of an application, for tests that walk over all of them."""

from collections.abc import Iterable
from typing import Any

from fastapi.routing import APIRoute
from starlette.routing import BaseRoute


def routes(of: Iterable[BaseRoute], prefix: str = "") -> set[str]:
    """Every `METHOD /path`, whether the document shows it or not."""
    found: set[str] = set()
    for one in of:
        if isinstance(one, APIRoute):
            found |= {f"{method} {prefix}{one.path}" for method in one.methods or ()}
        elif (router := getattr(one, "original_router", None)) is not None:
            context: Any = getattr(one, "include_context")  # noqa: B009 FastAPI types none of it
            found |= routes(router.routes, prefix + context.prefix)
    return found
