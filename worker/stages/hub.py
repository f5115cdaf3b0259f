"""Rows and models of the public hub, by name; on a machine that cannot reach it, a clear error at once."""

from collections.abc import Iterator

from core.errors import BadData
from core.rows import Row, convert, detect_format
from core.rows.convert import RowError
from core.spec import DatasetSpec
from worker.stages.run_dir import Exit, StageFailure


def read_hub_rows(data: DatasetSpec) -> Iterator[Row]:
    """The first `data.rows` rows of a hub data set, streamed and converted."""
    from datasets import load_dataset  # only here: its import takes a second that file jobs need not pay

    try:
        rows = load_dataset(data.source, split=data.split, revision=data.revision, streaming=True)
    except (OSError, ValueError) as error:
        raise _unreachable("data set", data.source, error) from error
    form: str = data.format
    for number, raw in enumerate(rows, 1):
        if data.rows is not None and number > data.rows:
            return
        try:
            form = detect_format(raw) if form == "auto" else form
            yield convert(raw, form)
        except RowError as error:
            raise BadData(f"{data.source}, row {number}: {error}") from None


def fetch_model(name: str) -> str:
    """The local folder of a hub model's config, tokenizer and safetensors, downloaded once."""
    from huggingface_hub import snapshot_download

    try:
        return snapshot_download(name, allow_patterns=["*.json", "*.safetensors", "*.jinja", "*.txt"])
    except OSError as error:
        raise _unreachable("model", name, error) from error


def _unreachable(what: str, name: str, error: Exception) -> StageFailure:
    message = (
        f"the {what} {name!r} cannot be loaded from the hub ({type(error).__name__}: {str(error)[:200]}); check the "
        "name and this machine's access, or give a local path"
    )
    return StageFailure(Exit.FAILED, "hub_unreachable", message)
