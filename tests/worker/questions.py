"""Questions and answers as tests write them down."""

from typing import Any

from core.suites import Question
from core.suites.from_row import expected_calls
from worker.stages.accepted import Call
from worker.stages.grading import Answer

OSLO: Call = ("get_weather", {"city": "Oslo"})
ROME: Call = ("get_weather", {"city": "Rome"})


def tool(name: str = "get_weather", required: tuple[str, ...] = ("city",), **properties: Any) -> dict[str, Any]:
    """A tool whose parameters are `city` and those given."""
    schema = {"type": "object", "properties": {"city": {"type": "string"}, **properties}, "required": list(required)}
    return {"type": "function", "function": {"name": name, "description": "", "parameters": schema}}


def asked(*expected: Call, kind: str = "k", tools: tuple[dict[str, Any], ...] = (tool(),)) -> Question:
    """A question that these calls answer, or that is to be answered in words."""
    calls = [{"function": {"name": name, "arguments": arguments}} for name, arguments in expected]
    messages = [{"role": "user", "content": "What?"}]
    return Question(kind, messages, list(tools), expected_calls(calls, list(tools)))


def said(*calls: Call, content: str = "", finish: str = "stop") -> Answer:
    """An answer of the endpoint."""
    return Answer(calls=calls, content=content, finish_reason=finish)
