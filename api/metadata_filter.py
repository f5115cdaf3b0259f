"""`metadata[key]=value` in the query of a list keeps the jobs that carry it."""

import re
from typing import Any

from fastapi import Request

from core.errors import InvalidRequest

METADATA_FILTER: dict[str, Any] = {
    "name": "metadata",
    "in": "query",
    "style": "deepObject",
    "explode": True,
    "description": "`metadata[key]=value` keeps the jobs that carry it",
    "schema": {"type": "object", "additionalProperties": {"type": "string"}},
}
_METADATA = re.compile(r"metadata\[(.+)\]")


def metadata_filter(request: Request) -> dict[str, str]:
    """The pairs that are asked for."""
    wanted: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if match := _METADATA.fullmatch(name):
            wanted[match[1]] = value
        elif name.startswith("metadata"):
            raise InvalidRequest(f"{name} is not understood: filter by metadata[key]=value", param="metadata")
    return wanted
