"""Generated conversations in the internal form: system, several exchanges, parallel calls, results, weights."""

from typing import Any

from hypothesis import strategies as st

from core.rows import Row

TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30
)
QUESTION = TEXT.filter(str.strip)
ANSWER = QUESTION.map(str.lstrip)
NAME = st.from_regex(r"[a-z][a-z0-9_.-]{0,15}", fullmatch=True)
NUMBER = st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
SCALAR = TEXT | NUMBER | st.booleans() | st.none()
VALUE = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=6
)
SCHEMA = st.sampled_from(
    [
        {"type": "string"},
        {"type": "integer", "description": "how many", "default": 3},
        {"type": "number"},
        {"type": "boolean"},
        {"type": "array", "items": {"type": "integer"}},
        {"type": "array", "uniqueItems": True},
        {"type": "object"},
        {"type": "object", "additionalProperties": {}},
        {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "integer"}]},
    ]
)
"""What xlam's type names stand for, so that every form can hold it."""


@st.composite
def tools(draw: st.DrawFn, min_size: int = 0) -> list[dict[str, Any]]:
    """Tools of different names."""
    found = []
    for name in draw(st.lists(NAME, min_size=min_size, max_size=3, unique=True)):
        properties = draw(st.dictionaries(NAME, SCHEMA, max_size=3))
        required = [key for key in properties if draw(st.booleans())]
        parameters = {"type": "object", "properties": properties, "required": required}
        function = {"name": name, "description": draw(st.just("") | TEXT), "parameters": parameters}
        found.append({"type": "function", "function": function})
    return found


@st.composite
def calls(draw: st.DrawFn, offered: list[dict[str, Any]], max_size: int = 3) -> list[dict[str, Any]]:
    """Calls of offered tools, with any arguments but undeclared nulls, which are padding."""
    found = []
    for tool in draw(st.lists(st.sampled_from(offered), max_size=max_size)) if offered else []:
        arguments = draw(st.dictionaries(NAME, VALUE, max_size=3))
        declared = tool["function"]["parameters"]["properties"]
        kept = {key: value for key, value in arguments.items() if value is not None or key in declared}
        found.append({"type": "function", "function": {"name": tool["function"]["name"], "arguments": kept}})
    return found


@st.composite
def rows(draw: st.DrawFn, with_tools: bool = True, most_exchanges: int = 3, weights: bool = True) -> Row:
    """A conversation that keeps the rules."""
    offered = draw(tools()) if with_tools else []
    messages: list[dict[str, Any]] = []
    if draw(st.booleans()):
        messages.append({"role": "system", "content": draw(QUESTION)})
    for _ in range(draw(st.integers(1, most_exchanges))):
        messages.append({"role": "user", "content": draw(TEXT)})
        asked = draw(calls(offered))
        if asked:
            content = draw(st.just("") | ANSWER)
            messages.append({"role": "assistant", "content": content, "tool_calls": asked, **_weight(draw, weights)})
            messages += [{"role": "tool", "content": draw(TEXT)} for _ in asked]
        messages.append({"role": "assistant", "content": draw(ANSWER), **_weight(draw, weights)})
    return Row(messages, offered or None)


def _weight(draw: st.DrawFn, weights: bool) -> dict[str, int]:
    value = draw(st.sampled_from([None, 0, 1])) if weights else None
    return {} if value is None else {"weight": value}
