"""Which form of an answer a client wants: by `?format=`, or else by the header `Accept`; JSON by default."""

from enum import StrEnum

from fastapi import Request


class Format(StrEnum):
    JSON = "json"
    MARKDOWN = "markdown"
    HTML = "html"


MEDIA_TYPES = {
    "application/json": Format.JSON,
    "text/markdown": Format.MARKDOWN,
    "text/html": Format.HTML,
    "*/*": Format.JSON,
    "application/*": Format.JSON,
}


def wanted_format(request: Request, named: Format | None) -> Format:
    """The named one, or the one that the client likes best; the first of those that it likes equally."""
    if named is not None:
        return named
    accepted = [_quality(part) for part in request.headers.get("accept", "").split(",")]
    known = [(quality, MEDIA_TYPES[name]) for name, quality in accepted if name in MEDIA_TYPES and quality > 0]
    return max(known, key=lambda each: each[0], default=(1.0, Format.JSON))[1]


def _quality(part: str) -> tuple[str, float]:
    """A media type of an `Accept` header, and how much it is liked: 1 unless it says otherwise (RFC 9110, 12.5.1)."""
    name, *parameters = (each.strip().lower() for each in part.split(";"))
    weights = [each.removeprefix("q=") for each in parameters if each.startswith("q=")]
    try:
        return name, float(weights[0]) if weights else 1.0
    except ValueError:
        return name, 0.0
