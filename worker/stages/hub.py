"""Rows and models of the public hub, by name; what it, or the way to it, refuses is said with what to do.

A hub that cannot be reached, or is busy, may answer a later try; one that knows no such name, or keeps it from this
machine, will not.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx
from huggingface_hub import HfApi, constants, snapshot_download

from core.errors import BadData
from core.rows import BadRows, RawRow, Row, convert_all
from core.spec import DatasetSpec
from worker.stages.failures import causes, is_out_of_memory, is_out_of_space
from worker.stages.run_dir import Exit, StageFailure

# A RuntimeError is what hf_xet, which downloads large files, says of most things that go wrong on its way.
_NETWORK = (ConnectionError, TimeoutError, httpx.TransportError, RuntimeError)
_ERRORS = (*_NETWORK, OSError, ValueError, httpx.HTTPError)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_REMEDIES = {
    401: "check the name, and set HF_TOKEN in the worker's environment if it is private or gated",
    403: "ask for access on its page of the hub, or set HF_TOKEN to the token of an account that has it",
    404: "check the name and the revision, and set HF_TOKEN in the worker's environment if it is private",
}


def raw_hub_rows(data: DatasetSpec) -> Iterator[RawRow]:
    """The rows of a hub data set as they come, streamed and numbered from 1."""
    return enumerate(_stream(data), 1)


def read_hub_rows(data: DatasetSpec, dropped: BadRows | None = None) -> Iterator[Row]:
    """The first `data.rows` rows of a hub data set, converted; bad ones are refused, or counted there."""
    return convert_all(raw_hub_rows(data), data.source, data.format, data.rows, dropped)


def commit_of(data: DatasetSpec) -> str | None:
    """The commit that a hub data set's revision means now; None when the hub does not say."""
    if data.revision is not None and _COMMIT.fullmatch(data.revision):
        return data.revision
    with suppress(*_ERRORS):  # whoever reads the rows hears of it
        return HfApi().dataset_info(data.source, revision=data.revision, timeout=10).sha
    return None


def fetch_model(name: str) -> str:
    """The local folder of a hub model's config, tokenizer and safetensors, downloaded once."""
    with _explained("model", name):
        return snapshot_download(name, allow_patterns=["*.json", "*.safetensors", "*.jinja", "*.txt"])


def fetch_tokenizer(name: str) -> str:
    """The local folder of a hub model's config and tokenizer alone: what preparing rows takes."""
    with _explained("model", name):
        return snapshot_download(name, allow_patterns=["*.json", "*.jinja", "*.txt"])


def _stream(data: DatasetSpec) -> Iterator[dict[str, Any]]:
    from datasets import load_dataset  # only here: its import takes a second that file jobs need not pay

    with _explained("data set", data.source):
        yield from load_dataset(data.source, split=data.split, revision=data.revision, streaming=True)


@contextmanager
def _explained(what: str, name: str) -> Iterator[None]:
    """Say what the errors of the hub's libraries mean; those of this machine go by unchanged."""
    try:
        yield
    except _ERRORS as error:
        if is_out_of_space(error) or is_out_of_memory(error):
            raise
        raise hub_failure(what, name, error) from error


def hub_failure(what: str, name: str, error: Exception) -> StageFailure | BadData:
    """Whether another try may mend it, or what somebody has to do."""
    problem = f"the {what} {name!r} cannot be loaded from the hub"
    said = f"{type(error).__name__}: {str(error)[:200]}"
    status = next((status for each in causes(error) if (status := _status(each)) is not None), None)
    if status is not None and (status >= 500 or status in (408, 429)):
        message = f"{problem}: it answers {status} ({said}); retry the job later"
        return StageFailure(Exit.RETRY, "hub_unreachable", message)
    if status is not None:
        remedy = _REMEDIES.get(status, "check the name, or give a local path")
        return StageFailure(Exit.FAILED, "hub_refused", f"{problem}: it answers {status}; {remedy} ({said})")
    if constants.HF_HUB_OFFLINE:
        message = f"{problem}: HF_HUB_OFFLINE is set, and it is not cached ({said}); unset it, or give a path"
        return StageFailure(Exit.FAILED, "hub_unreachable", message)
    if any(isinstance(each, _NETWORK) for each in causes(error)):
        message = f"{problem} ({said}); check this machine's way to {constants.ENDPOINT}, or give a local path"
        return StageFailure(Exit.RETRY, "hub_unreachable", message)
    return BadData(f"{problem} ({said}); check its name, split and revision, or give a local path")


def _status(error: BaseException) -> int | None:
    """The HTTP status that an error tells of."""
    response = getattr(error, "response", None)
    status = getattr(error, "status", None) if response is None else getattr(response, "status_code", None)
    return status if isinstance(status, int) else None
