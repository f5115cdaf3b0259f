"""Stage program: measure the served model through the endpoint, as a client would.

Reads `evaluation.json` (an `EvaluationRun`) and writes `answers.jsonl`, what was answered to every row of a suite and
the verdict, and then `evaluate.json`, the scores.  A run that was broken off goes on where it was (`asked.jsonl`).  The
result depends on the model's answers alone, not on the order in which they come.
"""

if __name__ == "__main__":
    import worker.stages.without_torch  # noqa: F401  for its effect on what follows

import asyncio
import json
from typing import Any

from openai import APIError, BadRequestError

from core.errors import BadData
from core.storage import read_json, write_atomically
from worker.stages.answer_log import AnswerLog
from worker.stages.chat_evaluation import evaluate_chat
from worker.stages.endpoint import Endpoint, in_order
from worker.stages.evaluate_run import EvaluationRun
from worker.stages.grading import Graded
from worker.stages.run_dir import Exit, RunDir, StageFailure, run_program
from worker.stages.scores import summarise
from worker.stages.seven_tools import measure_prompts
from worker.stages.speed import evaluate_speed
from worker.stages.suites import Suite, graded_rows, kept_rows, load_suites

VERSION = 2
"""Of the scores' shape."""
ANSWERS = "answers.jsonl"


def main(run: RunDir) -> None:
    """Measure, and write what was found."""
    spec = EvaluationRun.model_validate(read_json(run.path / "evaluation.json"))
    try:
        with AnswerLog(run.path / "asked.jsonl") as log:
            scores, rows = asyncio.run(measure(Endpoint(run, spec, log), spec))
    except BadRequestError as error:  # the same request would be refused again
        raise BadData(
            f"the endpoint refuses an evaluation row: {error}; shorten the row, or lower evaluation.max_tokens"
        ) from error
    except APIError as error:
        message = f"the endpoint {spec.base_url} failed while {spec.model} was measured: {error}"
        raise StageFailure(Exit.RETRY, "endpoint_failed", message) from error
    write_atomically(run.path / ANSWERS, b"".join(json.dumps(row).encode() + b"\n" for row in rows))
    run.finish("evaluate", scores)


async def measure(endpoint: Endpoint, spec: EvaluationRun) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """All scores of the model, and every answer to a row of a suite."""
    suites = load_suites(spec)
    endpoint.total += sum(len(suite.questions) for suite in suites)
    measured, kept = {}, []
    for suite in suites:
        graded, rows = await _measure_suite(endpoint, suite)
        measured[suite.name] = summarise(suite.kind, graded)
        kept += rows
    scores = {
        "version": VERSION,
        "headline": suites[0].name if suites else None,
        "suites": measured,
        "prompts": await measure_prompts(endpoint),
        "chat": await evaluate_chat(endpoint, spec),
        "speed": await evaluate_speed(endpoint, spec),
    }
    return {**scores, "evaluate_s": round(endpoint.log.spent_s, 1)}, kept


async def _measure_suite(endpoint: Endpoint, suite: Suite) -> tuple[list[Graded], list[dict[str, Any]]]:
    answers = await in_order([endpoint.ask(question.messages, question.tools) for question in suite.questions])
    graded = graded_rows(suite, answers)
    return graded, kept_rows(suite, answers, graded)


if __name__ == "__main__":
    run_program(main)
