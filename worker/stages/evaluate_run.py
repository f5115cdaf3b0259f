"""`evaluation.json`: what `worker.stages.evaluate` measures, and where."""

from core.spec import DatasetSpec, HeldOut, JudgeSpec, Spec, SuiteSpec

CHAT_ROWS = "chat_rows.jsonl"
"""What a model answered to each held-out chat row, in the run directory of its stage."""


class EarlierModel(Spec):
    """The model that the job measured before, and the run directory with its chat rows."""

    stage: str
    folder: str


class EvaluationRun(Spec):
    """One model on one endpoint."""

    base_url: str
    model: str
    """Public name of the model to measure; the gateway refuses it unless exactly that one is live."""
    tokenizer: str
    data_root: str
    files_root: str
    held_out: HeldOut | None = None
    """Rows of the job's own data; the suite that comes first, if there are any."""
    suites: dict[str, SuiteSpec]
    """By name; the first one's figures are the headline."""
    chat: DatasetSpec | None
    before: EarlierModel | None = None
    """What the model's chat is compared with."""
    judge: JudgeSpec | None = None
    speed: bool = True
    max_tokens: int
    concurrency: int
