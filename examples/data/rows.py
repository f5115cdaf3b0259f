"""Rows in the form of the public data sets: UltraChat's for chat, xlam's for tools.

xlam has no row without a call. Ours that call nothing hold `"answers": "[]"` and, as an extension, the
spoken `"reply"`.
"""

import hashlib
import json
from random import Random
from typing import TypedDict

from examples.data import plain, requests, unfit
from examples.data.requests import Request
from examples.data.sampling import Values
from examples.data.tools import TOOLS

CALL_KINDS = ("single", "new_wording", "two_calls")
NO_CALL_KINDS = ("no_call_tool_like", "no_call_chat", "no_tools")
OFFERS = {1: 28, 2: 33, 3: 20, 4: 14, 7: 5}  # how many tools a row offers, and how often


class Message(TypedDict):
    role: str
    content: str


class ChatRow(TypedDict):
    prompt: str
    prompt_id: str
    messages: list[Message]


class ToolRow(TypedDict, total=False):
    id: int
    query: str
    answers: str
    tools: str
    reply: str
    kind: str


NOTES = 0.45
"""Share of the chat turns that ask about a note: to answer is, more often than not, to find the words to repeat."""


def chat_turn(rng: Random, held_out: bool) -> tuple[str, str]:
    """What is asked, 3 times in 10 below something long and pasted, so that short answers end in a long context too."""
    if rng.random() < NOTES:
        return plain.note(Values(rng, held_out, invented=0.5))
    asked, answered = plain.turn(rng, held_out)
    return (f"{plain.pasted(rng)}\n\n{asked}" if rng.random() < 0.3 else asked), answered


def chat_row(rng: Random, held_out: bool) -> ChatRow:
    """A conversation of one to three turns."""
    messages: list[Message] = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        asked, answered = chat_turn(rng, held_out)
        messages += [Message(role="user", content=asked), Message(role="assistant", content=answered)]
    prompt = messages[0]["content"]
    marked = json.dumps(messages, ensure_ascii=False)
    return ChatRow(prompt=prompt, prompt_id=hashlib.sha256(marked.encode()).hexdigest(), messages=messages)


def offered(needed: set[str], rng: Random, excluded: frozenset[str] = frozenset()) -> list[str]:
    """Names of the tools that a row offers, those needed among them, in any order."""
    others = [name for name in TOOLS if name not in needed and name not in excluded]
    count = max(len(needed), rng.choices(list(OFFERS), list(OFFERS.values()))[0])
    names = [*needed, *rng.sample(others, min(len(others), count - len(needed)))]
    return rng.sample(sorted(names), len(names))


def tool_row(row_id: int, kind: str, query: str, names: list[str], request: Request | None, reply: str = "") -> ToolRow:
    calls = [{"name": call.name, "arguments": call.arguments} for call in request.calls] if request else []
    row = ToolRow(
        id=row_id,
        query=query,
        answers=json.dumps(calls, ensure_ascii=False),
        tools=json.dumps([TOOLS[name] for name in names], ensure_ascii=False),
        kind=kind,
    )
    if request is None:
        row["reply"] = reply
    return row


def sample_tool_row(row_id: int, kind: str, values: Values) -> ToolRow:
    """One row of the kind; `new_wording` and a third of the held-out two-call rows take held-out wordings."""
    rng, held_out = values.rng, values.held_out
    match kind:
        case "single" | "new_wording":
            request = requests.single(values, new_wording=kind == "new_wording")
        case "two_calls":
            request = requests.two_calls(values, new_wording=held_out and rng.random() < 0.34)
        case "no_call_tool_like":
            if rng.random() < 0.6:
                refused = requests.single(values, new_wording=held_out and rng.random() < 0.34)
                names = offered(set(), rng, frozenset(call.name for call in refused.calls))
                return tool_row(row_id, kind, refused.query, names, None, unfit.NO_TOOL)
            return tool_row(row_id, kind, unfit.wish(values, held_out), offered(set(), rng), None, unfit.NO_TOOL)
        case "no_call_chat":
            asked, answered = plain.turn(rng, held_out)
            return tool_row(row_id, kind, asked, offered(set(), rng), None, answered)
        case "no_tools":
            asked, answered = plain.turn(rng, held_out)
            return tool_row(row_id, kind, asked, [], None, answered)
        case _:
            raise ValueError(f"no rows of kind {kind}")
    names = offered({call.name for call in request.calls}, rng)
    return tool_row(row_id, kind, request.query, names, request)


def argument_values(row: ToolRow) -> set[str]:
    """The values of a row's calls, but for the two units, which are a closed choice."""
    calls = json.loads(row["answers"])
    return {value for call in calls for key, value in call["arguments"].items() if key != "unit"}
