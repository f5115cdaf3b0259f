"""The page that shows sample rows token by token."""

from starlette.responses import HTMLResponse

from api.pages import render
from api.schemas.preflights import PreviewView


def page(preview: PreviewView) -> HTMLResponse:
    """The preview as HTML."""
    return render("preview.html", "preview.css", preview=preview)
