"""Rows and models of the public hub, by name; what it, or the way to it, refuses is said with what to do.

A hub that cannot be reached, or is busy, may answer a later try; one that knows no such name, or keeps it from this
machine, will not.  The libraries try each of their many requests for minutes, and some without a limit: so one request
of ours comes first, and tells at once that the rest is pointless.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from huggingface_hub import HfApi, constants, set_client_factory, snapshot_download
from huggingface_hub.utils._http import default_client_factory

from core.errors import BadData
from core.rows import RawRow
from core.spec import SourceSpec
from worker.stages.failures import causes, is_out_of_memory, is_out_of_space
from worker.stages.run_dir import Exit, StageFailure

# A RuntimeError is what hf_xet, which downloads large files, says of most things that go wrong on its way.
_NETWORK = (ConnectionError, TimeoutError, httpx.TransportError, RuntimeError)
_ERRORS = (*_NETWORK, OSError, ValueError, httpx.HTTPError)
_REMEDIES = {
    401: "check the name, and set HF_TOKEN in the worker's environment if it is private or gated",
    403: "ask for access on its page of the hub, or set HF_TOKEN to the token of an account that has it",
    404: "check the name and the revision, and set HF_TOKEN in the worker's environment if it is private",
}


def raw_hub_rows(data: SourceSpec) -> Iterator[RawRow]:
    """The rows of a hub data set as they come, streamed and numbered from 1."""
    return enumerate(_stream(data), 1)


def fetch_model(name: str, revision: str | None = None) -> str:
    """The local folder of a hub model's config, tokenizer and safetensors, downloaded once."""
    with _explained("model", name):
        return snapshot_download(
            name, revision=revision, allow_patterns=["*.json", "*.safetensors", "*.jinja", "*.txt", "README.md"]
        )


def fetch_tokenizer(name: str, revision: str | None = None) -> str:
    """The local folder of a hub model's config and tokenizer alone: what preparing rows takes."""
    with _explained("model", name):
        return snapshot_download(name, revision=revision, allow_patterns=["*.json", "*.jinja", "*.txt"])


def commit_of(data: SourceSpec) -> str | None:
    """The commit that the data set's revision stands for now, which pins all later requests to the same rows.

    The request is one, and waits for HF_HUB_ETAG_TIMEOUT (10 s) at most.  Offline there is no asking.
    """
    if constants.HF_HUB_OFFLINE:
        return data.revision
    with _explained("data set", data.source):
        return HfApi().dataset_info(data.source, revision=data.revision, timeout=constants.HF_HUB_ETAG_TIMEOUT).sha


def _stream(data: SourceSpec) -> Iterator[dict[str, Any]]:
    if Path(data.source).exists():  # which `datasets` would read, wherever it lies
        raise BadData(f"{data.source!r} is a name of the hub, but also a folder here: name a file below DATA_ROOT")
    commit = commit_of(data)
    from datasets import config, load_dataset  # only here: its import takes a second that file jobs need not pay

    # Each read is tried six times below that already, which takes a minute and a half with a hub that is silent.
    config.STREAMING_READ_MAX_RETRIES = config.STREAMING_OPEN_MAX_RETRIES = 2
    if sys.modules.get("torch", sys) is None:
        # What `worker.stages.without_torch` left for imports to find.  They are done, and `datasets`, while it streams,
        # takes the mere name for torch itself.
        del sys.modules["torch"]
    with _explained("data set", data.source):
        yield from load_dataset(data.source, split=data.split, revision=commit, streaming=True)


def _impatient_client() -> httpx.Client:
    """What the hub's library talks through; some of its requests would wait for a minute, and others for ever."""
    client = default_client_factory()
    hooks = client.event_hooks
    client.event_hooks = {**hooks, "request": [*hooks["request"], _limit_time]}
    return client


def _limit_time(request: httpx.Request) -> None:
    limit_s, given = float(constants.HF_HUB_DOWNLOAD_TIMEOUT), request.extensions.get("timeout", {})
    phases = ("connect", "read", "write", "pool")
    request.extensions["timeout"] = {phase: min(given.get(phase) or limit_s, limit_s) for phase in phases}


@contextmanager
def _explained(what: str, name: str) -> Iterator[None]:
    """Say what the errors of the hub's libraries mean; those of this machine go by unchanged."""
    set_client_factory(_impatient_client)
    try:
        yield
    except _ERRORS as error:
        if is_out_of_space(error) or is_out_of_memory(error):
            raise
        raise hub_failure(what, name, error) from error


def hub_failure(what: str, name: str, error: Exception) -> StageFailure | BadData:
    """Whether another try may mend it, or what somebody has to do."""
    problem = f"the {what} {name!r} cannot be loaded from the hub"
    said = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
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
