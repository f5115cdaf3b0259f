"""`evaluation.json`: what `worker.stages.evaluate` measures, and where."""

from core.spec import DatasetSpec, Spec


class EvaluationRun(Spec):
    """One model on one endpoint."""

    base_url: str
    model: str
    """Public name of the model to measure; the gateway refuses it unless exactly that one is live."""
    tokenizer: str
    data_root: str
    files_root: str
    tools: DatasetSpec | None
    more_tools: dict[str, DatasetSpec]
    chat: DatasetSpec | None
    max_tokens: int
    concurrency: int
