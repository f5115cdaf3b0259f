"""The page that shows sample rows token by token: one HTML document that loads nothing and runs nothing.

What the rows hold was written by anybody, so Jinja escapes all of it, and the policy allows the page its own style
sheet and nothing else.
"""

from base64 import b64encode
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup
from starlette.responses import HTMLResponse

from api.schemas.preflights import PreviewView

_FOLDER = Path(__file__).parent / "templates"


def page(preview: PreviewView) -> HTMLResponse:
    """The preview as HTML."""
    template, style = _template(), _style()
    html = template.render(preview=preview, style=Markup(style))
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
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("preview.html")


@lru_cache
def _style() -> str:
    return (_FOLDER / "preview.css").read_text(encoding="utf-8")
