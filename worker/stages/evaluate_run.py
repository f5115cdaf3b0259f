"""`evaluation.json`: what `worker.stages.evaluate` measures, and where."""

from core.spec import DatasetSpec, HeldOut, Spec, SuiteSpec


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
    max_tokens: int
    concurrency: int
