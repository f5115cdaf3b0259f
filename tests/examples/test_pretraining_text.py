"""The pre-training text is seeded, and holds nothing of what fine-tuning teaches."""

import json
import re
from pathlib import Path
from random import Random

import pytest
from transformers import PreTrainedTokenizerFast

from examples.data.tools import TOOLS
from examples.pretrain import words
from examples.pretrain.batches import batch
from examples.pretrain.courses import COURSES, Course
from examples.pretrain.desks import NO_FORM, desk_document
from examples.pretrain.text import document
from examples.pretrain.tokenizer import TOOL_MARKS, TURN_MARKS

TINY_BASE = Path(__file__).parents[2] / "examples" / "tiny-base"


@pytest.mark.parametrize("course", COURSES, ids=lambda course: course.name)
def test_holds_no_chat_or_tool_format(course: Course) -> None:
    rng = Random(77)
    call = re.compile(r'"name"\s*:\s*"[^"]*",\s*"arguments"')
    # `calculate` is also an English word: only its use as a name is a tool's.
    names = [name for name in TOOLS if "_" in name] + ['"calculate"', "calculate("]
    for text in (document(rng, course.mixture) for _ in range(1500)):
        assert not call.search(text)
        assert not [mark for mark in (*TURN_MARKS, *TOOL_MARKS, *names, "<tools>") if mark in text], text


def test_same_seed_gives_the_same_batch() -> None:
    tokenizer = PreTrainedTokenizerFast.from_pretrained(TINY_BASE)
    first, again, other = (batch(tokenizer, seed, 3, rows=2, length=128) for seed in (0, 0, 1))
    assert first.shape == (2, 128)
    assert (first == again).all()
    assert not (first == other).all()


def test_batches_never_hold_a_mark() -> None:
    tokenizer = PreTrainedTokenizerFast.from_pretrained(TINY_BASE)
    marks = set(tokenizer.convert_tokens_to_ids([*TURN_MARKS, *TOOL_MARKS]))
    assert not marks & set(batch(tokenizer, 0, 0, rows=40, length=512).flatten().tolist())


def test_lexicon_needs_no_word_list(tmp_path: Path) -> None:
    composed = words.lexicon(tmp_path / "absent", 2000)
    assert len(set(composed)) == 2000
    listed = tmp_path / "words"
    listed.write_text("Apple\npear's\nplum\nx\n")
    assert {"Apple", "plum"} <= set(words.lexicon(listed, 50))
    assert not {"pear's", "x"} & set(words.lexicon(listed, 50))


@pytest.mark.parametrize("seed", range(3))
def test_menus_answer_with_forms_that_they_offer(seed: int) -> None:
    """Where a menu document answers in JSON by form name, that form was offered."""
    from examples.pretrain.forms import menu_document

    rng = Random(seed)
    for _ in range(200):
        lines = menu_document(rng).splitlines()
        offered = "\n".join(lines)
        for line in lines:
            if line.startswith('{"form": ') and '"about"' not in line and '"fields": {"' in line:
                assert offered.count(json.loads(line)["form"]) >= 2


def test_a_desk_turns_down_about_two_requests_in_five_and_always_in_the_same_words() -> None:
    rng = Random(4)
    documents = [desk_document(rng) for _ in range(400)]
    assert 0.5 < sum(NO_FORM in text for text in documents) / len(documents) < 0.8
    assert not [text for text in documents if re.search(r"No form fits|not offered here|None of these", text)]
