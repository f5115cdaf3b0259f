"""The built-in prompts, each with some of seven tools on offer: the same few answers of every model, side by side.

They are graded as any row is, and too few for a figure.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from core.storable import storable
from core.storage import read_json
from core.suites import Question
from core.suites.from_row import expected_calls
from worker.stages.accepted import Call
from worker.stages.endpoint import Endpoint, in_order
from worker.stages.grading import Answer, grade

FILE = Path(__file__).parent.parent / "suites" / "seven_tools.json"


async def measure_prompts(endpoint: Endpoint) -> list[dict[str, Any]]:
    """Each prompt, the answer, what is expected (empty: words and no call), and whether the answer is correct."""
    prompts = built_in_questions()
    endpoint.total += len(prompts)
    answers = await in_order([endpoint.ask(question.messages, question.tools) for question, _ in prompts])
    shown = zip(prompts, answers, strict=True)
    return [_shown(question, expected, answer) for (question, expected), answer in shown]


def built_in_questions() -> list[tuple[Question, list[Call]]]:
    """Each prompt as a question, and its calls as they are written in the file."""
    suite = read_json(FILE)
    tools = {tool["function"]["name"]: tool for tool in suite["tools"]}
    found = []
    for prompt in suite["prompts"]:
        offered = [tools[name] for name in prompt["tools"]]
        expected = expected_calls([{"function": call} for call in prompt["expected"]], offered)
        messages = [{"role": "user", "content": prompt["prompt"]}]
        question = Question("call" if expected else "no_call", messages, offered, expected)
        found.append((question, [(call["name"], call["arguments"]) for call in prompt["expected"]]))
    return found


def _shown(question: Question, expected: list[Call], answer: Answer) -> dict[str, Any]:
    return {
        "prompt": question.text,
        "answer": storable(_written(answer.calls) or answer.content),
        "expected": _written(expected),
        "correct": grade(question, answer).correct,
    }


def _written(calls: Iterable[Call]) -> str:
    return " ".join(f"{name}({json.dumps(arguments, ensure_ascii=False)})" for name, arguments in calls)
