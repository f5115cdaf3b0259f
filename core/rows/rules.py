"""The rules that every conversation keeps, whatever form it came in; each is one that a served model meets too.

system?, then user first, then user, assistant and tool messages; a tool result follows the call that it answers.
"""

from typing import Any

from core.rows.draft import Turn
from core.rows.problems import RowError


def conversation(turns: list[Turn], tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages of the turns; RowError at the first turn that breaks a rule."""
    declared = {tool["function"]["name"]: tool["function"]["parameters"] for tool in tools}
    messages: list[dict[str, Any]] = []
    results = _Results()
    for number, turn in enumerate(turns):
        message, role = turn.message, turn.message["role"]
        if role == "tool":
            results.take(turn)
            continue
        messages += results.end()
        if role == "system":
            if number:
                is_second = turns[0].message["role"] == "system"
                problem = "is a second one: join them" if is_second else "must stand first"
                raise RowError(turn.field, f"the system message {problem}")
        elif role == "assistant":
            if not any(each["role"] == "user" for each in messages):
                raise RowError(turn.field, "the assistant speaks first: a user message must come before")
            _check_answer(turn, declared)
            results = _Results(turn)
        messages.append(message)
    messages += results.end()
    if not any(message["role"] == "user" for message in messages):
        raise RowError("messages", "hold no user message")
    return messages


def _check_answer(turn: Turn, declared: dict[str, Any]) -> None:
    message = turn.message
    # White space before an answer would melt into one token with the newline that ends its prompt.
    message["content"] = message["content"].lstrip()
    calls = message.get("tool_calls", [])
    if not message["content"].rstrip() and not calls:
        raise RowError(turn.field, "the assistant says nothing: no content and no tool_calls")
    for call in calls:
        name, arguments = call["function"]["name"], call["function"]["arguments"]
        if name not in declared:
            offered = f"it offers {', '.join(declared)}" if declared else "it offers none"
            raise RowError(turn.field, f"calls {name!r}, which is no tool of this row: {offered}")
        properties = declared[name].get("properties", {})
        for key in [key for key, value in arguments.items() if value is None and key not in properties]:
            del arguments[key]  # padding, see core.rows.tools


class _Results:
    """The tool results that follow an answer's calls, put into the order of the calls."""

    def __init__(self, asked: Turn | None = None) -> None:
        self._calls = asked.message.get("tool_calls", []) if asked else []
        self._ids = asked.call_ids if asked else ()
        self._found: dict[int, dict[str, Any]] = {}

    def take(self, turn: Turn) -> None:
        """Tie a result to its call: by id where it names one, else to the next that has none."""
        place = self._place(turn)
        name = turn.message.get("name")
        if name is not None and name != self._calls[place]["function"]["name"]:
            called = self._calls[place]["function"]["name"]
            raise RowError(f"{turn.field}.name", f"is {name!r}, and the call that it answers is to {called!r}")
        self._found[place] = turn.message

    def _place(self, turn: Turn) -> int:
        if not self._calls:
            raise RowError(turn.field, "is a tool result, and no call stands before it")
        if turn.result_of is not None:
            where = f"{turn.field}.tool_call_id"
            if turn.result_of not in self._ids:
                raise RowError(where, f"{turn.result_of!r} is the id of none of the calls before it")
            place = self._ids.index(turn.result_of)
            if place in self._found:
                raise RowError(where, f"{turn.result_of!r} has a result already")
            return place
        if len(self._found) == len(self._calls):
            raise RowError(turn.field, f"is one tool result too many: the calls before it are {len(self._calls)}")
        return next(place for place in range(len(self._calls)) if place not in self._found)

    def end(self) -> list[dict[str, Any]]:
        """The results in the order of their calls; none may follow."""
        found = [message for _, message in sorted(self._found.items())]
        self._calls, self._found = [], {}
        return found
