"""Measuring a model at chat: on its own, against the model before it, and by a judge if the job names one."""

from pathlib import Path
from typing import Any

from core.chat_regression import compare_chat
from core.errors import InvalidRequest
from core.judge_url import endpoint_of
from core.settings import get_settings
from worker.stages.chat_quality import ChatAnswer, keep, kept, measure_chat, summarise_chat
from worker.stages.endpoint import Endpoint
from worker.stages.evaluate_run import EvaluationRun
from worker.stages.judge import Judge, JudgeFailed, Pair
from worker.stages.render import load_tokenizer
from worker.stages.sources import source_rows


async def evaluate_chat(endpoint: Endpoint, spec: EvaluationRun) -> dict[str, Any] | None:
    """`chat` of the scores, and every row kept beside them; None where the job names no chat rows."""
    rows = list(source_rows(spec.chat, spec)) if spec.chat else []
    if not rows:
        return None
    answers = await measure_chat(endpoint, load_tokenizer(spec.tokenizer), rows)
    keep(endpoint.run.path, answers)
    earlier = kept(Path(spec.before.folder)) if spec.before else []
    before = spec.before.stage if spec.before else ""
    regression = compare_chat(before, (one.row for one in earlier), (one.row for one in answers))
    chat = summarise_chat([one.row for one in answers], regression)
    return {**chat, "judge": await _judged(endpoint, spec, before, _pairs(earlier, answers))}


def _pairs(earlier: list[ChatAnswer], answers: list[ChatAnswer]) -> list[Pair]:
    known = {one.row.key: one for one in earlier}
    return [(known[one.row.key], one) for one in answers if one.row.key in known]


async def _judged(endpoint: Endpoint, spec: EvaluationRun, before: str, pairs: list[Pair]) -> dict[str, Any] | None:
    """What the judge makes of the two models' answers; None, and an event that says why, where it fails."""
    if spec.judge is None or not pairs:
        return None
    try:
        asked = endpoint_of(spec.judge, get_settings())
        return await Judge(endpoint.run, spec.judge, asked, endpoint.log).compare(before, pairs)
    except (InvalidRequest, JudgeFailed) as error:
        endpoint.run.emit("judge.failed", why=f"the judge {spec.judge.model}: {error}")
        return None
