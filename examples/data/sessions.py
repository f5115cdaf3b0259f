"""The tool rows for training, in sessions: rows that follow one another and offer the same tools.

`join_rows` makes each session a conversation, in which the tools stand once.
"""

from examples.data import plain, requests, unfit
from examples.data.rows import ToolRow, offered, tool_row
from examples.data.sampling import Values
from examples.data.tools import TOOLS

SESSION_ROWS = (4, 6, 8, 10)
NO_TOOLS = 0.04
SESSION_MIX = {"single": 49, "two_calls": 30, "no_call_tool_like": 16, "no_call_chat": 5}


def session(row_id: int, values: Values) -> list[ToolRow]:
    """Training rows that offer the same tools, as what one person asks one after another; or none at all."""
    rng = values.rng
    names = [] if rng.random() < NO_TOOLS else offered(set(), rng)
    return [session_row(row_id + number, names, values) for number in range(rng.choice(SESSION_ROWS))]


def session_row(row_id: int, names: list[str], values: Values) -> ToolRow:
    """One row of a session; a request that no tool of it serves is refused."""
    rng = values.rng
    kind = rng.choices(list(SESSION_MIX), list(SESSION_MIX.values()))[0] if names else "no_tools"
    match kind:
        case "single":
            request = requests.single(values, new_wording=False, tool=rng.choice(names))
        case "two_calls":
            request = requests.two_calls(values, new_wording=False, among=names)
        case "no_call_tool_like":
            others = [name for name in TOOLS if name not in names]
            if others and rng.random() < 0.6:
                query = requests.single(values, new_wording=False, tool=rng.choice(others)).query
            else:
                query = unfit.wish(values, held_out=False)
            return tool_row(row_id, kind, query, names, None, unfit.NO_TOOL)
        case _:
            asked, answered = plain.turn(rng, held_out=False)
            return tool_row(row_id, kind, asked, names, None, answered)
    return tool_row(row_id, kind, request.query, names, request)
