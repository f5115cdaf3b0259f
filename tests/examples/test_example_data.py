"""The example data: same seed, same bytes; the public data sets' row forms; held-out values and wordings held out."""

import json
import re
from collections import Counter
from itertools import chain, product
from pathlib import Path
from random import Random
from string import Formatter

import pytest

from core.rows import joined, read_rows
from examples.data import plain, unfit, wordings
from examples.data.demo_prompts import DEMO_PROMPTS
from examples.data.make import HELD_OUT_MIX, Sizes, make
from examples.data.rows import ToolRow, argument_values
from examples.data.tools import TOOLS
from examples.data.wordings import Wordings
from worker.stages.seven_tools import FILE as SEVEN_TOOLS

FILES = ("chat.train", "chat.heldout", "tools.train", "tools.heldout", "tools.invented")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("example-data")
    make(folder, seed=0)
    return folder


def read(folder: Path, name: str) -> list[ToolRow]:
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def as_pattern(wording: str) -> re.Pattern[str]:
    """Finds the wording with any values in it; no value has a quotation mark."""
    texts = [re.escape(text) for text, *_ in Formatter().parse(wording)]
    return re.compile('[^"]+?'.join(texts) if len(texts) > 1 else texts[0])


def test_same_seed_gives_the_same_bytes(made: Path, tmp_path: Path) -> None:
    make(tmp_path, seed=0)
    for name in FILES:
        assert (tmp_path / f"{name}.jsonl").read_bytes() == (made / f"{name}.jsonl").read_bytes(), name


def test_another_seed_gives_other_rows(made: Path, tmp_path: Path) -> None:
    make(tmp_path, seed=1, sizes=Sizes(chat_train=20, chat_held_out=20, tools_train=50))
    for name in FILES:
        assert (tmp_path / f"{name}.jsonl").read_bytes() != (made / f"{name}.jsonl").read_bytes(), name


def test_tool_rows_have_xlams_form(made: Path) -> None:
    for row in read(made, "tools.train"):
        assert set(row) - {"reply"} == {"id", "query", "answers", "tools"}
        for tool in json.loads(row["tools"]):
            assert tool == TOOLS[tool["name"]]
        assert ("reply" in row) == (row["answers"] == "[]")


def test_chat_rows_have_ultrachats_form(made: Path) -> None:
    for line in (made / "chat.train.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        assert set(row) == {"prompt", "prompt_id", "messages"}
        assert row["prompt"] == row["messages"][0]["content"]
        roles = [message["role"] for message in row["messages"]]
        assert roles == ["user", "assistant"] * (len(roles) // 2)


def test_shares_of_the_training_rows(made: Path) -> None:
    rows = read(made, "tools.train")
    calls = [len(json.loads(row["answers"])) for row in rows]
    unfit_rows = [row for row in rows if row["answers"] == "[]" and row["tools"] != "[]"]
    tool_like = [row for row in unfit_rows if row["reply"] == unfit.NO_TOOL]
    assert len(rows) == Sizes().tools_train
    assert calls.count(2) / len(rows) == pytest.approx(0.28, abs=0.03)
    assert len(tool_like) / len(rows) == pytest.approx(0.15, abs=0.02)
    assert len(unfit_rows) / len(rows) == pytest.approx(0.20, abs=0.02)


def test_training_rows_come_in_sessions_that_become_conversations(made: Path) -> None:
    rows = list(read_rows(made / "tools.train.jsonl"))
    conversations = list(joined(rows, 10))
    assert 6 < len(rows) / len(conversations) < 8
    assert {8, 12, 16, 20} <= {len(one.messages) for one in conversations} <= set(range(2, 22, 2))
    told, held = (list(chain.from_iterable(one.messages for one in some)) for some in (rows, conversations))
    assert told == held


def test_held_out_rows_are_enough_for_the_scorecard(made: Path) -> None:
    kinds = Counter(row["kind"] for row in read(made, "tools.heldout"))
    assert kinds == HELD_OUT_MIX
    assert kinds["single"] + kinds["new_wording"] + kinds["two_calls"] >= 200
    no_call = kinds["no_call_tool_like"] + kinds["no_call_chat"]
    assert no_call >= 200
    assert kinds["no_call_tool_like"] >= no_call / 2
    assert len(read(made, "tools.invented")) >= 100


def test_answers_call_only_offered_tools_with_values_from_the_query(made: Path) -> None:
    for name in ("tools.train", "tools.heldout", "tools.invented"):
        for row in read(made, name):
            offered = {tool["name"] for tool in json.loads(row["tools"])}
            assert {call["name"] for call in json.loads(row["answers"])} <= offered
            assert all(value in row["query"] for value in argument_values(row))


@pytest.mark.parametrize("name", ["tools.heldout", "tools.invented"])
def test_held_out_values_never_occur_in_training_rows(made: Path, name: str) -> None:
    values = {value for row in read(made, name) for value in argument_values(row)}
    queries = "\n".join(row["query"] for row in read(made, "tools.train"))
    lines = (made / "chat.train.jsonl").read_text(encoding="utf-8").splitlines()
    chats = "\n".join(message["content"] for line in lines for message in json.loads(line)["messages"])
    for value in values:
        # A chat row may name a capital that is also a held-out city; a longer value may not stand there.
        for text in (queries,) if value.isalpha() else (queries, chats):
            if value in text:  # the search for whole words alone would take minutes
                assert not re.search(rf"(?<![\w.]){re.escape(value)}(?!\w|\.\w)", text), value


def test_no_question_of_the_evaluation_is_trained_on(made: Path) -> None:
    asked = {row["query"] for name in ("tools.heldout", "tools.invented") for row in read(made, name)}
    assert not asked & {row["query"] for row in read(made, "tools.train")}


def test_no_chat_is_there_twice(made: Path) -> None:
    lines = (made / "chat.train.jsonl").read_text(encoding="utf-8").splitlines()
    chats = [json.dumps(json.loads(line)["messages"]) for line in lines]
    assert len(set(chats)) == len(chats)


def all_wordings() -> list[Wordings]:
    tables = [*vars(wordings).values(), *vars(plain).values()]
    both = [ways for _, ways in wordings.BOTH.values()]
    talk = [asks for asks, _ in plain.SMALL_TALK]
    return [table for table in tables if isinstance(table, Wordings)] + both + talk + list(unfit.WISHES)


def variants(wording: str) -> list[str]:
    """Every wording that one with choices stands for."""
    choices = [choice.split("|") for choice in wordings.CHOICE.findall(wording)]
    return [
        wordings.CHOICE.sub("{}", wording.replace("{", "{{").replace("}", "}}")).format(*each)
        for each in product(*choices)
    ]


def test_a_wording_with_choices_takes_one_of_each() -> None:
    wording = "[Find|Look up] {query}[| online]."
    all_four = {"Find {query}.", "Find {query} online.", "Look up {query}.", "Look up {query} online."}
    assert set(variants(wording)) == all_four
    assert {wordings.worded(wording, Random(seed)) for seed in range(50)} == all_four


def test_held_out_wordings_never_occur_in_training_rows(made: Path) -> None:
    queries = [row["query"] for row in read(made, "tools.train")]
    prompts = [json.loads(line)["prompt"] for line in (made / "chat.train.jsonl").read_text().splitlines()]
    for ways in all_wordings():
        assert not {worded for wording in ways.train for worded in variants(wording)} & set(ways.held_out)
        for wording in ways.held_out:
            pattern = as_pattern(wording)
            assert not [text for text in (*queries, *prompts) if pattern.fullmatch(text)], wording


def test_demo_prompts_cover_the_seven_tools_with_values_of_no_training_row(made: Path) -> None:
    calls = [call for prompt in DEMO_PROMPTS for call in prompt.calls]
    assert len(DEMO_PROMPTS) == 9
    assert {call.name for call in calls} == set(TOOLS)
    assert any(not prompt.calls for prompt in DEMO_PROMPTS)
    queries = "\n".join(row["query"] for row in read(made, "tools.train"))
    for value in (value for call in calls for value in call.arguments.values()):
        assert not re.search(rf"(?<![\w.]){re.escape(value)}(?!\w|\.\w)", queries), value


def test_the_suite_that_every_job_is_asked_holds_the_same_prompts_and_tools() -> None:
    suite = json.loads(SEVEN_TOOLS.read_text(encoding="utf-8"))
    assert [(each["prompt"], tuple(each["tools"])) for each in suite["prompts"]] == [
        (prompt.query, prompt.tools) for prompt in DEMO_PROMPTS
    ]
    assert [tool["function"]["name"] for tool in suite["tools"]] == list(TOOLS)
