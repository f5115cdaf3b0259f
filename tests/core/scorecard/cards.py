"""A whole scorecard: three models, two suites, chat and speed, and rows that were won and lost."""

from core.cost import AnswerCost, JobCost, Spent
from core.health import Finding, Health
from core.scorecard.card import Comparison, Example, ModelAnswer, PairedFigures, Scorecard, Side, StageCard
from core.scorecard.figures import Scores
from core.significance import mcnemar
from core.verdict import Condition, Verdict
from tests.core.measured import OSLO, Row, scores_of

HOSTILE = "<script>alert(1)</script> | **bold** `code`\n# heading \x1b[2J"
SAME = {"worse": 0, "better": 0, "p_value": 1.0}
REGRESSION = {
    "loss": {"value": 0.513, "low": 0.41, "high": 0.61},
    "unstopped": SAME,
    "empty": SAME,
    "repetitive": SAME,
}
JUDGE = {
    "model": "a-judge",
    "against": "chat",
    **{"rows": 40, "wins": 12, "ties": 25, "losses": 1, "disagreed": 3, "unreadable": 2, "identical": 9},
    **dict.fromkeys(("win_rate", "tie_rate", "loss_rate")),
    "p_value": mcnemar(12, 1),
}
CHAT = {
    "rows": 40,
    "loss": {"value": 0.7331, "perplexity": 2.08, "tokens": 900},
    "stop_rate": {"value": 1.0, "n": 40, "low": 0.91, "high": 1.0},
    "empty_rate": None,
    "repetition_rate": None,
    "answer_tokens": {"mean": 22.1, "median": 21, "p95": 44},
    "reference_tokens": {"mean": 19.5, "median": 18, "p95": 40},
    "regression": {"before": "chat", "rows": 40, **REGRESSION},
    "judge": JUDGE,
}
SPEED = {
    "1": {"tokens_per_s": 412.3, "first_token_ms": 11.0, "token_ms": 2.4},
    "8": {"tokens_per_s": 1650.9, "first_token_ms": 32.5, "token_ms": 4.6},
    "gain": 4.0,
}
COST = JobCost(
    device="NVIDIA T4",
    price_per_gpu_hour=0.36,
    currency="EUR",
    training={"chat": Spent.of(360, 0.36), "tools": Spent.of(720, 0.36)},
    total=Spent.of(1800, 0.36),
    answers={"tools": AnswerCost(answer_tokens=21, tokens_per_s=1650.9, per_1000=Spent.of(12.7, 0.36))},
)
HEALTH = Health(
    stage="tools",
    status="unhealthy",
    steps=333,
    window=33,
    loss_first=1.8,
    loss_lowest=0.1,
    loss_last=0.1,
    token_probability_first=0.17,
    token_probability_last=0.9,
    grad_norm_median=0.5,
    grad_norm_max=2.0,
    findings=(
        Finding(kind="memorising", step=120, figure=0.1, bound=0.3, message="the loss is 0.1", advice="use more rows"),
    ),
)
CONDITION = Condition(name="tools.no_call_accuracy", passed=False, text="it is 0.000, and must be 0.9 at least")
PROMPT = {"prompt": "What's the weather in Oslo?", "expected": 'get_weather({"city": "Oslo"})'}


def example_card() -> Scorecard:
    """Of a job whose last stage learned to call, and was not measured otherwise before."""
    stages = tuple(_stage(*each) for each in (("base", 0, 0), ("chat", 0, 0), ("tools", 11, 1)))
    won = _example(HOSTILE, is_right=True)
    lost = _example("Hello!", is_right=False)
    paired = PairedFigures(
        n=13, won=11, lost=1, p_value=mcnemar(11, 1), difference="better", examples_won=(won,), examples_lost=(lost,)
    )
    compared = Comparison(
        reason="stage_before",
        older=Side(name="chat", model="ft:chat"),
        newer=Side(name="tools", model="ft:tools"),
        suites={"tools": paired},
    )
    return Scorecard(
        job_id="ftjob-1",
        base_model="./tiny-base",
        status="succeeded",
        headline="tools",
        stages=stages,
        comparisons=(compared,),
        health=(HEALTH,),
        cost=COST,
    )


def _stage(name: str, right: int, measured: int) -> StageCard:
    rows = [Row(f"q{n}", n < right) for n in range(12)] + [Row("Hello!", name != "tools", expected=())]
    rows += [Row(f"i{n}", n < right, suite="invented") for n in range(5)]
    answer = str(PROMPT["expected"]) if right else HOSTILE
    prompts = [{**PROMPT, "answer": answer, "correct": bool(right)}]
    more = {"chat": CHAT, "speed": SPEED} if measured else {}
    scores = Scores.model_validate(scores_of(*rows, prompts=prompts, **more))
    gate = Verdict.of([CONDITION]) if measured else None
    return StageCard(name=name, model=f"ft:{name}", measured_at=1_790_000_000, scores=scores, gate=gate)


def _example(question: str, *, is_right: bool) -> Example:
    fault = "nothing was called" if is_right else None
    said = ModelAnswer(calls=[], content=HOSTILE, finish_reason="stop", correct=not is_right, fault=fault)
    called = ModelAnswer(calls=[OSLO], content="", finish_reason="tool_calls", correct=is_right, fault=None)
    expected = [OSLO] if is_right else []
    about = {"kind": "single", "question": question, "tools": ["get_weather"], "expected": expected}
    return Example.model_validate({"id": "tools:tools:0", **about, "older": said, "newer": called})
