"""The scorecard as a page: it shows everything, runs nothing, and can be used without a pointer or colours."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from api.scorecard_page import page
from core.curves import Bucket
from tests.core.scorecard.cards import example_card

VOID = {"meta", "br", "link", "img", "input"}


class Reader(HTMLParser):
    """What a browser makes of the page; every element must be closed as it was opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.fixture(scope="module")
def html() -> str:
    curve = [Bucket(1, 10, 1.0, 1.5, 2.0), Bucket(11, 20, 0.2, 0.3, 0.4)]
    return bytes(page(example_card(), {"chat": curve, "tools": []}).body).decode()


@pytest.fixture(scope="module")
def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


def test_it_shows_every_part_of_the_card(read: Reader) -> None:
    words = " ".join(read.words.split())
    for part in ("Suite tools", "Suite invented", "Row by row", "Chat: 40 held-out rows", "Speed", "Built-in prompts"):
        assert part in words, part
    assert "91.7% (65–99)" in words
    assert "tools is better than chat on suite tools: better on 11 rows, worse on 1, of 13 (p = 0.0063)." in words
    assert 'get_weather(city="Oslo")' in words
    assert "nothing was called" in words
    assert "tools did not pass its gate." in words
    assert "tools, step 120: the loss is 0.1; use more rows." in words


def test_what_people_wrote_stays_text(html: str, read: Reader) -> None:
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert not [name for _, attributes in read.tags for name in attributes if name.startswith("on") or name == "style"]


def test_the_policy_allows_its_own_style_and_nothing_else(html: str) -> None:
    answer = page(example_card(), {})
    policy = answer.headers["content-security-policy"]
    style = re.search(r"<style>(.*?)</style>", bytes(answer.body).decode(), re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}';")
    assert not re.search(r"(?:src|href)=\"(?!#)", html)
    assert "url(" not in html


def test_every_example_opens_by_itself_and_every_part_has_a_name(read: Reader) -> None:
    summaries = [tag for tag, _ in read.tags if tag == "summary"]
    opened = [tag for tag, _ in read.tags if tag == "details"]
    assert len(summaries) == len(opened) == 2 + 2 + 2  # figures of two suites, won and lost, and a row of each
    ids = [attributes["id"] for _, attributes in read.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in read.tags:
        if tag in ("section", "svg"):
            assert set((attributes["aria-labelledby"] or "").split()) <= set(ids)
        if tag == "a":
            assert (attributes["href"] or "").removeprefix("#") in ids


def test_a_stage_without_a_curve_and_a_card_without_one_have_no_chart_of_it(read: Reader) -> None:
    titles = [attributes.get("aria-labelledby") or "" for tag, attributes in read.tags if tag == "svg"]
    assert [title.split()[0] for title in titles if title.startswith("loss")] == ["loss0-title"]
    assert "Training loss" not in bytes(page(example_card(), {}).body).decode()
