"""The public names and their rewriting, whatever the text and wherever a chunk ends."""

import itertools
import json

from hypothesis import given
from hypothesis import strategies as st

from inference.names import ENGINE_NAME, ModelEcho

TRICKY = st.sampled_from(['"model":"engine"', '\\"model":"engine"', '"model":', "engine", '{"model":"engine"}', "\n\n"])
TEXT = st.lists(st.one_of(st.text(), TRICKY)).map("".join)
NAME = st.text(min_size=1)


def event(model: str, text: str) -> dict[str, object]:
    return {"id": "x", "object": "chat.completion.chunk", "model": model, "choices": [{"delta": {"content": text}}]}


def encode(content: dict[str, object]) -> bytes:
    """As vLLM does: compact, and not escaped to ASCII."""
    return b"data: " + json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode() + b"\n\n"


@given(name=NAME, texts=st.lists(TEXT, min_size=1, max_size=4), cuts=st.lists(st.integers(0, 400), max_size=12))
def test_only_the_name_changes_wherever_the_chunks_end(name: str, texts: list[str], cuts: list[int]) -> None:
    stream = b"".join(encode(event(ENGINE_NAME, text)) for text in texts)
    echo = ModelEcho(ENGINE_NAME, name)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [echo.feed(stream[start:end]) for start, end in itertools.pairwise(edges)]
    assert b"".join([*pieces, echo.finish()]) == b"".join(encode(event(name, text)) for text in texts)


@given(name=NAME, text=TEXT)
def test_a_whole_event_is_never_held_back(name: str, text: str) -> None:
    assert ModelEcho(ENGINE_NAME, name).feed(encode(event(ENGINE_NAME, text))) == encode(event(name, text))
