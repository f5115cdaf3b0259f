"""Only the model's name changes in a body, whatever the body looks like."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidRequest
from inference.asked import Asked

TRICKY = st.sampled_from(
    ['"model"', '"model":"x"', '\\"model', 'x"model', "}", "{", ",", "\\", '","model":"y"', "ß", "\ud800"]
)
TEXT = st.lists(st.one_of(st.text(max_size=5), TRICKY), max_size=4).map("".join)
KEY = st.one_of(st.sampled_from(["model", "messages", "tools", 'x"model', "mod\u0065l", "n"]), TEXT)
VALUE = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEY, inner, max_size=3)),
    max_leaves=8,
)
MEMBERS = st.lists(st.tuples(KEY, VALUE), max_size=5)
NAME = st.one_of(st.sampled_from(["tunesmith", "ft:base:x", 'a "quoted" one', "größe"]), st.text(min_size=1))


@st.composite
def spellings(draw: st.DrawFn, text: str) -> str:
    """A JSON string as different clients write it."""
    way = draw(st.sampled_from(["ascii", "utf-8", "escapes"]))
    if way == "escapes":
        return '"' + "".join(f"\\u{ord(one):04x}" if ord(one) < 0x10000 else one for one in text) + '"'
    try:
        text.encode()
    except UnicodeEncodeError:
        way = "ascii"
    return json.dumps(text, ensure_ascii=way == "ascii")


@st.composite
def written(draw: st.DrawFn, members: list[tuple[str, Any]]) -> list[str]:
    """Each member as JSON, with space where space may be, and with no second `model`."""
    space = draw(st.sampled_from(["", " ", "\n\t"]))
    values = [draw(spellings(value)) if isinstance(value, str) else json.dumps(value) for _, value in members]
    keys = [draw(spellings(key)) for key, _ in members]
    pairs = zip(keys, values, strict=True)
    return [f"{space}{key}{space}:{space}{value}{space}" for key, value in pairs if json.loads(key) != "model"]


@given(st.data(), MEMBERS, NAME, MEMBERS)
def test_the_name_alone_changes(data: st.DataObject, before: Any, name: str, after: Any) -> None:
    members = [*data.draw(written(before)), f"{data.draw(spellings('model'))}:NAME", *data.draw(written(after))]
    head, tail = f"{{{','.join(members)}}}".rsplit(":NAME", 1)
    asked = Asked(f"{head}:{data.draw(spellings(name))}{tail}".encode())
    assert asked.model == name
    assert asked.for_model("engine") == f'{head}:"engine"{tail}'.encode()


@given(st.data(), MEMBERS)
def test_a_body_without_a_model_is_refused_wherever_else_the_word_stands(data: st.DataObject, members: Any) -> None:
    with pytest.raises(InvalidRequest, match="name the model"):
        Asked(f"{{{','.join(data.draw(written(members)))}}}".encode())


@pytest.mark.parametrize(
    "body",
    [
        '{"model":"a","messages":[{"role":"user","content":"hi"}]}',
        '{"messages":[],"model":"a","stream":true,"temperature":0.50, "user" : "x"}',
        '{"n": 1e0,  "model" :\t"a", "tools":[{"model":"b"}]}',
        '{"metadata":{"model":"b"},"model":"a"}',
        '{"m\\u006fdel":"a","x":{"model":"b"}}',
        '{"model":"b","m\\u006fdel":"a"}',
    ],
)
def test_every_other_byte_is_sent_as_it_came(body: str) -> None:
    assert Asked(body.encode()).model == "a"
    assert Asked(body.encode()).for_model("engine") == body.replace('"a"', '"engine"').encode().replace(
        b'{"model":"b","m', b'{"model":"engine","m'
    )


def test_what_the_limits_need_is_read() -> None:
    asked = Asked(
        b'{"model":"a","max_tokens":7,"n":[2],"tools":[{}],"max_tokens":8,"top_k":"9","seed":1e3,"best_of":"x"}'
    )
    numbers = {key: asked.number(key) for key in ("max_tokens", "n", "top_k", "seed", "best_of", "user")}
    assert numbers == {"max_tokens": 8, "n": None, "top_k": 9, "seed": 1000, "best_of": None, "user": None}
    assert asked.offers_tools
    assert not Asked(b'{"model":"a","tools":[]}').offers_tools


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"model":"\xff"}',
        b'{"model": 3}',
        b'{"model": ""}',
        b"[" * 100_000,
        b'{"model":' + b"[" * 100_000,
    ],
)
def test_a_body_that_names_no_model_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        Asked(body)
