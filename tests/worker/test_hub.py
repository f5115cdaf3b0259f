"""What the hub refuses is final and says what to do; what it may answer later is tried again."""

import errno
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from huggingface_hub.errors import HfHubHTTPError

from core.errors import BadData
from core.spec import DatasetSpec, JobSpec
from core.storage import write_json
from tests.conftest import Services
from tests.worker.hubs import COMMIT, NAME, Hub, serving
from tests.worker.programs import new_keeper
from worker.artefacts import Artefacts
from worker.program import ProgramFailed, run_program
from worker.stages.hub import _explained, hub_failure, raw_hub_rows
from worker.stages.run_dir import Exit, StageFailure


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A hub on this machine."""
    started = Hub()
    yield started
    started.close()


def fetch(folder: Path, endpoint: str, **env: str) -> ProgramFailed:
    """How the program ends that fetches a model."""
    write_json(folder / "fetch.spec.json", {"name": "owner/base", "revision": None})
    env = {"HF_ENDPOINT": endpoint, "HF_HOME": str(folder / "cache"), "HF_HUB_OFFLINE": "0", **env}
    with pytest.raises(ProgramFailed) as failed:
        run_program("fetch", folder, new_keeper(), lambda events: None, env)
    return failed.value


@pytest.mark.parametrize(
    ("status", "exit_code", "code", "says"),
    [
        (401, Exit.FAILED, "hub_refused", "check the name, and set HF_TOKEN"),
        (403, Exit.FAILED, "hub_refused", "ask for access on its page"),
        (404, Exit.FAILED, "hub_refused", "check the name and the revision"),
        (429, Exit.RETRY, "hub_unreachable", "it answers 429"),
        (503, Exit.RETRY, "hub_unreachable", "it answers 503"),
    ],
)
def test_a_models_answer_is_final_or_tried_again(
    database: Services, tmp_path: Path, hub: Hub, status: int, exit_code: Exit, code: str, says: str
) -> None:
    hub.status = status
    failure = fetch(tmp_path, hub.url)
    assert (failure.exit_code, failure.code) == (exit_code, code)
    assert "the model 'owner/base' cannot be loaded from the hub" in failure.message
    assert says in failure.message


def test_a_hub_that_nobody_listens_for_is_tried_again(database: Services, tmp_path: Path) -> None:
    failure = fetch(tmp_path, "http://127.0.0.1:1")
    assert (failure.exit_code, failure.code) == (Exit.RETRY, "hub_unreachable")
    assert "check this machine's way to http://127.0.0.1:1" in failure.message


def answered(status: int) -> HfHubHTTPError:
    request = httpx.Request("GET", "https://hub/api")
    return HfHubHTTPError("no", response=httpx.Response(status, request=request))


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        ConnectionError("Server Disconnected"),
        TimeoutError("read timed out"),
        httpx.ReadError("connection reset by peer"),
        caused(FileNotFoundError("no snapshot"), httpx.ConnectTimeout("timed out")),
        caused(OSError("cannot read"), answered(502)),
        RuntimeError("Data processing error: CAS service error"),
    ],
    ids=repr,
)
def test_what_breaks_off_on_the_way_is_tried_again(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    failure = hub_failure("data set", "owner/rows", error)
    assert isinstance(failure, StageFailure)
    assert (failure.exit_code, failure.code) == (Exit.RETRY, "hub_unreachable")


def test_a_split_that_is_not_there_is_bad_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    failure = hub_failure("data set", "owner/rows", ValueError("Bad split: tran. Available splits: ['train']"))
    assert isinstance(failure, BadData)
    assert "Available splits: ['train']); check its name, split and revision" in failure.message


def test_a_full_disk_is_not_the_hubs_fault() -> None:
    with pytest.raises(OSError, match="No space") as full, _explained("model", "owner/base"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert full.value.errno == errno.ENOSPC


# ------------------------------------------------------------------ data sets


SECONDS = 20
"""Longer than any of these may take; the libraries by themselves take more than 200 s for a hub that is silent."""


def prepare(folder: Path, tiny_base: Path, endpoint: str, **data: Any) -> dict[str, Any]:
    """Prepare a stage on the data set, as a worker does."""
    spec = {
        "job_id": "j",
        "stage": {"name": "chat", "data": {"source": NAME, **data}, "max_seq_length": 256},
        "seed": 1,
        "model": str(tiny_base),
        "tokenizer": str(tiny_base),
        "model_name": "m",
        "data_root": str(folder),
        "files_root": str(folder),
        "output": str(folder / "merged"),
    }
    write_json(folder / "spec.json", spec)
    env = {"HF_ENDPOINT": endpoint, "HF_HOME": str(folder / "cache"), "HF_HUB_OFFLINE": "0", "HF_HUB_ETAG_TIMEOUT": "2"}
    return run_program("prepare", folder, new_keeper(), lambda events: None, env)


def prepare_fails(folder: Path, tiny_base: Path, endpoint: str, **data: Any) -> ProgramFailed:
    began = time.monotonic()
    with pytest.raises(ProgramFailed) as failed:
        prepare(folder, tiny_base, endpoint, **data)
    assert time.monotonic() - began < SECONDS
    return failed.value


@pytest.mark.parametrize(
    ("status", "end", "says"),
    [
        (401, (Exit.FAILED, "hub_refused"), "check the name, and set HF_TOKEN"),
        (403, (Exit.FAILED, "hub_refused"), "ask for access on its page"),
        (404, (Exit.FAILED, "hub_refused"), "check the name and the revision"),
        (500, (Exit.RETRY, "hub_unreachable"), "it answers 500"),
        (503, (Exit.RETRY, "hub_unreachable"), "it answers 503"),
        (0, (Exit.RETRY, "hub_unreachable"), "timed out"),
        (None, (Exit.RETRY, "hub_unreachable"), "Connection refused"),
    ],
)
def test_a_hub_that_gives_no_rows_is_said_at_once(
    database: Services,
    tmp_path: Path,
    tiny_base: Path,
    hub: Hub,
    status: int | None,
    end: tuple[Exit, str],
    says: str,
) -> None:
    hub.status = status or 0
    failure = prepare_fails(tmp_path, tiny_base, "http://127.0.0.1:1" if status is None else hub.url)
    assert (failure.exit_code, failure.code) == end
    assert "the data set 'owner/rows' cannot be loaded from the hub" in failure.message
    assert says in failure.message
    assert "\n" not in failure.message
    assert not (tmp_path / "rows.arrow").exists()


def test_a_model_is_not_waited_for_either(database: Services, tmp_path: Path, hub: Hub) -> None:
    hub.status, began = 0, time.monotonic()
    failure = fetch(tmp_path, hub.url, HF_HUB_ETAG_TIMEOUT="2", HF_HUB_DOWNLOAD_TIMEOUT="2")
    assert (failure.exit_code, failure.code) == (Exit.RETRY, "hub_unreachable")
    assert time.monotonic() - began < SECONDS


def alpaca(count: int) -> bytes:
    return b"".join(b'{"instruction": "Add %d.", "output": "2"}\n' % number for number in range(count))


def test_a_data_set_is_read_at_its_commit_and_up_to_its_limit(
    database: Services, tmp_path: Path, tiny_base: Path
) -> None:
    with serving({"train.jsonl": alpaca(50)}) as hub:
        counts = prepare(tmp_path, tiny_base, hub.url, rows=7, revision="v1")
    assert counts["rows_in"] == 7
    assert "/api/datasets/owner/rows/revision/v1" in hub.requests
    assert f"/datasets/owner/rows/resolve/{COMMIT}/train.jsonl" in hub.requests


@pytest.mark.parametrize(
    ("files", "data", "says"),
    [
        ({"train.jsonl": alpaca(3)}, {"revision": "v2"}, "it answers 404; check the name and the revision"),
        ({"train.jsonl": alpaca(3)}, {"split": "test"}, "check its name, split and revision"),
        ({}, {}, "check its name, split and revision"),
        ({"train.jsonl": alpaca(3) + b'{"instruction": \n'}, {}, "check its name, split and revision"),
        ({"train.jsonl": b'{"instruction": "Add.", "output": 3}\n'}, {}, "owner/rows, row 1: output: must be text"),
        ({"train.jsonl": alpaca(1)}, {"format": "xlam"}, "owner/rows, row 1: is not in xlam form"),
    ],
)
def test_a_data_set_that_cannot_be_used_says_why(
    database: Services, tmp_path: Path, tiny_base: Path, files: dict[str, bytes], data: dict[str, Any], says: str
) -> None:
    with serving(files) as hub:
        failure = prepare_fails(tmp_path, tiny_base, hub.url, **data)
    assert says in failure.message
    assert failure.exit_code != Exit.RETRY


def test_a_folder_that_is_called_like_a_data_set_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "owner" / "rows").mkdir(parents=True)
    (tmp_path / "owner" / "rows" / "train.jsonl").write_bytes(alpaca(3))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadData, match="also a folder here: name a file below DATA_ROOT"):
        list(raw_hub_rows(DatasetSpec(source=NAME)))


def test_a_job_that_needs_the_hub_is_not_cut_off_from_it(tiny_base: Path) -> None:
    def env(source: str, *, of_evaluation: bool = False) -> dict[str, str]:
        body: dict[str, Any] = {"base_model": str(tiny_base), "stages": [{"name": "a", "data": {"source": source}}]}
        if of_evaluation:
            body["stages"][0]["data"]["source"] = "rows.jsonl"
            body["evaluation"] = {"chat": {"source": source}}
        return Artefacts("j", JobSpec.model_validate(body)).program_env()

    assert env("rows.jsonl")["HF_HUB_OFFLINE"] == env("file-1")["HF_HUB_OFFLINE"] == "1"
    assert "HF_HUB_OFFLINE" not in env(NAME) | env(NAME, of_evaluation=True)
