"""The public names and their rewriting, whatever the text and wherever a chunk ends."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidRequest
from inference.names import ENGINE_NAME, ModelEcho, take_model

TRICKY = st.sampled_from(['"model":"engine"', '\\"model":"engine"', '"model":', "engine", '{"model":"engine"}', "\n\n"])
TEXT = st.lists(st.one_of(st.text(), TRICKY)).map("".join)
NAME = st.text(min_size=1)


def event(model: str, text: str) -> dict[str, object]:
    return {"id": "x", "object": "chat.completion.chunk", "model": model, "choices": [{"delta": {"content": text}}]}


def encode(content: dict[str, object]) -> bytes:
    """As vLLM does: compact, and not escaped to ASCII."""
    return b"data: " + json.dumps(content, separators=(",", ":")).encode() + b"\n\n"


@given(name=NAME, texts=st.lists(TEXT, min_size=1, max_size=4), cuts=st.lists(st.integers(0, 400), max_size=12))
def test_only_the_name_changes_wherever_the_chunks_end(name: str, texts: list[str], cuts: list[int]) -> None:
    stream = b"".join(encode(event(ENGINE_NAME, text)) for text in texts)
    echo = ModelEcho(name)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [echo.feed(stream[start:end]) for start, end in itertools.pairwise(edges)]
    assert b"".join([*pieces, echo.finish()]) == b"".join(encode(event(name, text)) for text in texts)


@given(name=NAME, text=TEXT)
def test_a_whole_event_is_never_held_back(name: str, text: str) -> None:
    assert ModelEcho(name).feed(encode(event(ENGINE_NAME, text))) == encode(event(name, text))


def test_a_request_reaches_vllm_under_its_name_and_otherwise_unchanged() -> None:
    body = {"model": "tunesmith", "messages": [{"role": "user", "content": '"model":"tunesmith"'}], "n": 2}
    name, sent = take_model(json.dumps(body).encode())
    assert name == "tunesmith"
    assert json.loads(sent) == {**body, "model": ENGINE_NAME}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"model": 3}', b'{"model": ""}', b"[" * 100_000])
def test_a_body_that_names_no_model_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        take_model(body)
