"""What the hub refuses is final and says what to do; what it may answer later is tried again."""

import errno
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest
from huggingface_hub.errors import HfHubHTTPError

from core.errors import BadData
from core.spec import DatasetSpec
from core.storage import write_json
from tests.conftest import Services
from tests.worker.programs import new_keeper
from worker.program import ProgramFailed, run_program
from worker.stages.hub import _explained, hub_failure, read_hub_rows
from worker.stages.run_dir import Exit, StageFailure


class Hub:
    """A server that gives every request the same answer."""

    def __init__(self) -> None:
        self.status = 200
        hub = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(hub.status)
                self.send_header("content-length", "0")
                self.end_headers()

            do_HEAD = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A hub on this machine."""
    started = Hub()
    yield started
    started.server.shutdown()
    started.server.server_close()


def fetch(folder: Path, endpoint: str) -> ProgramFailed:
    """How the program ends that fetches a model."""
    write_json(folder / "fetch.spec.json", {"name": "owner/base"})
    env = {"HF_ENDPOINT": endpoint, "HF_HOME": str(folder / "cache"), "HF_HUB_OFFLINE": "0"}
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


def test_a_stream_that_breaks_off_is_explained(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"instruction": "Add.", "output": "2"}\n{"instruction": \n')
    with pytest.raises(BadData, match=r"the data set .* cannot be loaded from the hub \(.*check its name"):
        list(read_hub_rows(DatasetSpec(source=str(tmp_path))))


@pytest.mark.parametrize(
    ("row", "form", "problem"),
    [
        ('{"instruction": "Add.", "output": 3}', "auto", "row 1: output: must be text"),
        (
            '{"instruction": "Add.", "output": "2"}',
            "xlam",
            "row 1: is not in xlam form: it has no answers and no query; it is in alpaca form",
        ),
    ],
)
def test_a_bad_row_names_the_data_set_and_its_number(tmp_path: Path, row: str, form: str, problem: str) -> None:
    (tmp_path / "train.jsonl").write_text(f"{row}\n")
    spec = DatasetSpec.model_validate({"source": str(tmp_path), "format": form})
    with pytest.raises(BadData) as bad:
        list(read_hub_rows(spec))
    assert bad.value.message.startswith(f"{tmp_path}, {problem}")
