"""`tunesmith files …` against a real api."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from core.errors import ServiceError
from tests.api.uploading import empty_file_store, rows_of


@pytest.fixture(autouse=True)
def _in_an_empty_folder(commands_api: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    empty_file_store()


@pytest.fixture
def train() -> Path:
    path = Path("train.jsonl")
    path.write_bytes(rows_of(1234))
    return path


def command(*arguments: str) -> Result:
    result = CliRunner().invoke(app, ["files", *arguments])
    assert result.exception is None, result.exception
    return result


def refused(*arguments: str) -> str:
    """The one sentence in which the command ends."""
    error = CliRunner().invoke(app, ["files", *arguments]).exception
    assert isinstance(error, ServiceError), error
    return error.message


def test_a_file_goes_there_and_back(train: Path) -> None:
    made = json.loads(command("upload", str(train), "--purpose", "evals", "--json").stdout)
    assert (made["filename"], made["purpose"], made["rows"]) == ("train.jsonl", "evals", 1234)
    assert json.loads(command("show", made["id"], "--json").stdout) == made
    assert json.loads(command("list", "--json").stdout) == [made]
    train.unlink()
    command("download", made["id"])
    assert train.read_bytes() == rows_of(1234)
    assert json.loads(command("delete", made["id"], "--json").stdout)["deleted"] is True
    assert "No files yet" in command("list").stdout


def test_people_are_shown_what_was_found(train: Path) -> None:
    shown = command("upload", str(train)).stdout
    assert "1,234, 1,234 to learn from" in shown
    assert "openai" in shown
    listed = command("list", "--purpose", "fine-tune").stdout
    assert "train.jsonl" in listed
    assert "train.jsonl" not in command("list", "--purpose", "evals").stdout


def test_a_download_replaces_nothing_that_it_was_not_told_to(train: Path) -> None:
    file_id = json.loads(command("upload", str(train), "--json").stdout)["id"]
    train.write_text("mine")
    assert "train.jsonl exists" in refused("download", file_id)
    assert train.read_text() == "mine"
    command("download", file_id, "-o", "train.jsonl")
    assert train.read_bytes() == rows_of(1234)
    assert [path.name for path in Path().iterdir()] == ["train.jsonl"]


def test_what_cannot_be_read_or_is_refused_is_said(train: Path) -> None:
    assert "absent.jsonl: No such file" in refused("upload", "absent.jsonl")
    train.write_bytes(rows_of(1) + b"{\n")
    assert "train.jsonl, row 2" in refused("upload", str(train))
    assert "file-x" in refused("download", "file-x")
    assert "file-x" in refused("delete", "file-x")
    assert [path.name for path in Path().iterdir()] == ["train.jsonl"]
