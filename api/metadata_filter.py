"""`metadata[key]=value` in the query of a list keeps the jobs that carry it, `metadata=null` those without any."""

import re
from typing import Any

from fastapi import Request

from core.errors import InvalidRequest

METADATA_FILTER: dict[str, Any] = {
    "name": "metadata",
    "in": "query",
    "style": "deepObject",
    "explode": True,
    "description": "`metadata[key]=value` keeps the jobs that carry it; `metadata=null` those without any",
    "schema": {"type": "object", "additionalProperties": {"type": "string"}},
}
_METADATA = re.compile(r"metadata\[(.+)\]")


def metadata_filter(request: Request) -> dict[str, str] | None:
    """The pairs that are asked for; None for the jobs that carry nothing."""
    wanted: dict[str, str] = {}
    without_any = False
    for name, value in request.query_params.multi_items():
        if match := _METADATA.fullmatch(name):
            wanted[match[1]] = value
        elif (name, value) == ("metadata", "null"):
            without_any = True
        elif name.startswith("metadata"):
            raise InvalidRequest(f"{name} is not understood: filter by metadata[key]=value", param="metadata")
    if without_any and wanted:
        raise InvalidRequest("metadata=null and metadata[key]=value exclude each other: send one", param="metadata")
    return None if without_any else wanted
