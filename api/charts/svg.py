"""The elements that charts are drawn of.

Text is escaped wherever it goes.  Looks are the style sheet's (`charts.css`), by class: the pages allow no style in an
element.  Every chart has a title and a description for those who do not see it.
"""

from collections.abc import Iterable

from markupsafe import Markup


def chart(name: str, title: str, description: str, size: tuple[float, float], parts: Iterable[Markup]) -> Markup:
    """A whole chart; `name` tells its ids apart from those of other charts on the same page."""
    width, height = size
    head = Markup(
        '<svg class="chart" role="img" aria-labelledby="{0}-title {0}-desc" viewBox="0 0 {1:g} {2:g}" width="{1:g}">'
        '<title id="{0}-title">{3}</title><desc id="{0}-desc">{4}</desc>'
    ).format(name, width, height, title, description)
    return head + Markup("").join(parts) + Markup("</svg>")


def text(x: float, y: float, words: str, *, anchor: str = "middle", style: str = "label") -> Markup:
    """One line of text."""
    form = Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}" class="{}">{}</text>')
    return form.format(x, y, anchor, style, words)


def line(x1: float, y1: float, x2: float, y2: float, style: str) -> Markup:
    form = Markup('<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" class="{}"/>')
    return form.format(x1, y1, x2, y2, style)


def circle(x: float, y: float, radius: float, style: str) -> Markup:
    return Markup('<circle cx="{:.1f}" cy="{:.1f}" r="{:g}" class="{}"/>').format(x, y, radius, style)


def rectangle(x: float, y: float, width: float, height: float, style: str, opacity: float = 1) -> Markup:
    form = Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" class="{}" fill-opacity="{:.2f}"/>')
    return form.format(x, y, width, height, style, opacity)


def path(points: Iterable[tuple[float, float]], style: str, *, closed: bool = False) -> Markup:
    """A line through all of the points."""
    steps = " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return Markup('<path d="M{}{}" class="{}"/>').format(steps, "Z" if closed else "", style)


def shortened(words: str, limit: int) -> str:
    """Words that fit; the description has them whole."""
    return words if len(words) <= limit else words[: limit - 1] + "…"
