"""No borrowed tool fits its question, by the stated rule; and one that does not is found wherever there is one."""

from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.rows import read_rows
from worker.stages.unfitting import Lenders, fits, question_of

SHARED_DATA = Path(__file__).parents[3] / "shared" / "data"
WORDS = ["weather", "city", "cities", "mail", "convert", "conversion", "currency", "stock", "price", "recipe", "book"]


def tool(name: str, description: str = "", **parameters: str) -> dict[str, Any]:
    properties = {key: {"type": "string", "description": text} for key, text in parameters.items()}
    schema = {"type": "object", "properties": properties}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}


@pytest.mark.parametrize(
    ("offered", "question"),
    [
        (tool("get_weather"), "What is the weather in Paris?"),
        (tool("getWeather"), "What is the weather in Paris?"),
        (tool("getweather"), "Weather, please"),
        (tool("find_recipes"), "I need a recipe for soup."),
        (tool("lookup", "Find cities of a country."), "Which city is the largest?"),
        (tool("convert_money"), "A conversion of 5 dollars"),
        (tool("lookup", "", ticker="The symbol of a company."), "What is the ticker of Apple?"),
        (tool("lookup", "", key="The symbol of a company."), "Which company is that?"),
        (tool("lookup", "Looks things up.", currencyCode=""), "Which currency is used there?"),
        (tool("get"), "Anything at all"),
        (tool("get_weather"), "今天天气怎么样?"),
    ],
)
def test_a_tool_fits_by_its_name_its_description_and_its_parameters(offered: dict[str, Any], question: str) -> None:
    assert fits(offered, question)
    assert Lenders([[offered]]).unfitting(question, Random(1)) is None


@pytest.mark.parametrize(
    ("offered", "question"),
    [
        (tool("get_weather", "Get the weather of a city."), "Who wrote Hamlet?"),
        (tool("send_email", "Send an email.", to="Who gets it."), "What is the capital of France?"),
        (tool("get_stock_price"), "Tell me a joke about what you would use."),
    ],
)
def test_a_tool_that_shares_no_word_of_content_does_not_fit(offered: dict[str, Any], question: str) -> None:
    assert not fits(offered, question)
    assert Lenders([[offered]]).unfitting(question, Random(1)) == [offered]


NAMES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map("_".join)
TOOLS = st.builds(lambda name, text, key: tool(name, text, **{key: text}), NAMES, st.sampled_from(WORDS), NAMES)


@settings(max_examples=300, deadline=None)
@given(
    lists=st.lists(st.lists(TOOLS, min_size=1, max_size=3), max_size=8),
    words=st.lists(st.sampled_from([*WORDS, "hello", "moon"]), min_size=1, max_size=4),
    seed=st.integers(0, 99),
)
def test_what_is_borrowed_never_fits_and_is_found_where_there_is_any(
    lists: list[list[dict[str, Any]]], words: list[str], seed: int
) -> None:
    question = " ".join(words)
    borrowed = Lenders(lists).unfitting(question, Random(seed))
    free = [each for tools in lists for each in tools if not fits(each, question)]
    if borrowed is None:
        assert not free
    else:
        assert borrowed
        # By letters alone, apart from the rule's own code: no word of the question, nor its singular, is in a tool.
        for text in map(str, borrowed):
            assert not [word for word in words if word.removesuffix("s") in text.replace("description", "")]


def test_whole_lists_are_preferred_to_parts_of_them() -> None:
    fitting, other, far = tool("get_weather"), tool("send_mail"), tool("book_flight")
    lenders = Lenders([[fitting, other], [far, other]])
    assert lenders.unfitting("How is the weather?", Random(3)) == [far, other]
    assert Lenders([[fitting, other]]).unfitting("How is the weather?", Random(3)) == [other]


@pytest.mark.skipif(not SHARED_DATA.exists(), reason="the shared data sets are not there")
def test_real_questions_get_real_tools_that_do_not_fit() -> None:
    lenders = Lenders(row.tools for row in read_rows(SHARED_DATA / "glaive_toolcall_300.json") if row.tools)
    questions = [question_of(row) for row in read_rows(SHARED_DATA / "alpaca_1000.json", "alpaca", 300)]
    for number, question in enumerate(questions):
        borrowed = lenders.unfitting(question, Random(number))
        assert borrowed is not None
        assert not any(fits(each, question) for each in borrowed)
