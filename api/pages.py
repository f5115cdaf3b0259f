"""Pages for people: HTML documents that load nothing and run nothing.

What a page shows was written by anybody, so Jinja escapes all of it, and the policy allows the page its own style
sheet and nothing else.
"""

from base64 import b64encode
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup
from starlette.responses import HTMLResponse

_FOLDER = Path(__file__).parent / "templates"


def render(name: str, *styles: str, **values: object) -> HTMLResponse:
    """The template as a page in the common style and these further ones."""
    style = _style(("base.css", *styles))
    html = _template(name).render(style=Markup(style), **values)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    headers = {
        "content-security-policy": f"{policy}; frame-ancestors 'none'",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cache-control": "no-store",
    }
    return HTMLResponse(html, headers=headers)


@lru_cache
def _template(name: str) -> Template:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template(name)


@lru_cache
def _style(names: tuple[str, ...]) -> str:
    return "".join((_FOLDER / name).read_text(encoding="utf-8") for name in names)
