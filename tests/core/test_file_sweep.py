"""The sweep of uploads: what no row names goes, what is being worked on and what a row names stays."""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import file_store, files, retention
from core.db import transaction
from core.file_store import Incoming, files_root, incoming_root, stored_path
from core.file_sweep import sweep
from core.files import NewFile
from core.ids import new_id
from tests.api.uploading import empty_file_store
from tests.conftest import Services


@pytest.fixture(autouse=True)
def _empty_storage(database: Services) -> Iterator[None]:
    empty_file_store()
    yield
    empty_file_store()


def add(content: bytes = b"rows", *, commit: bool = True) -> str:
    """A stored file; without `commit`, one whose process died before its row was committed."""
    with Incoming(new_id("file")) as incoming:
        incoming.open("rows.jsonl")
        incoming.write(content)
        new = NewFile(
            incoming.file_id, "default", "evals", "rows.jsonl", 4, incoming.finish(), "openai", 1, 1, None, ""
        )
        with transaction() as session:
            added = files.add(session, new)
            incoming.publish(added.twin)
            if not commit:
                session.rollback()
    return incoming.file_id


def make_old() -> None:
    before = time.time() - 2 * file_store.UNLOCKED_S
    for folder in [*files_root().iterdir(), *incoming_root().iterdir()]:
        os.utime(folder, (before, before))


def kept() -> set[str]:
    return {path.name for path in files_root().iterdir()}


def test_only_what_a_row_names_is_kept() -> None:
    named, unnamed = add(), add(commit=False)
    assert kept() == {named, unnamed}
    make_old()
    sweep()
    assert kept() == {named}
    assert list(retention.trash().iterdir()) == []


def test_the_bytes_of_a_deleted_file_go_even_if_its_process_died_before_removing_them() -> None:
    first, second = add(), add()
    with transaction() as session:
        files.delete(session, first)
    make_old()
    sweep()
    assert kept() == {second}
    assert stored_path(files_root(), second).read_bytes() == b"rows"


def test_a_folder_that_is_being_worked_on_is_not_touched() -> None:
    unnamed = add(commit=False)
    make_old()
    lock = os.open(files_root() / unnamed, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    sweep()
    assert kept() == {unnamed}
    os.close(lock)
    sweep()
    assert kept() == set()


def test_a_row_committed_while_the_sweep_was_looking_keeps_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    file_id = add()
    make_old()
    first_look = [set[str]()]
    look = files.there
    monkeypatch.setattr(files, "there", lambda session, ids: first_look.pop() if first_look else look(session, ids))
    sweep()
    assert not first_look
    assert kept() == {file_id}


def test_equal_content_shares_its_bytes_and_does_without_where_the_other_has_just_gone() -> None:
    first = add()
    shutil.rmtree(files_root() / first)
    second = add()
    third = add()
    assert stored_path(files_root(), second).samefile(stored_path(files_root(), third))
    assert [path.name for path in (files_root() / third).iterdir()] == ["rows.jsonl"]


def test_what_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    add()
    (files_root() / "note.txt").write_text("mine")
    (incoming_root() / "link").symlink_to(tmp_path)
    (tmp_path / "precious").write_text("mine")
    make_old()  # the link's target
    sweep()
    assert (incoming_root() / "link").is_symlink()
    assert (tmp_path / "precious").read_text() == "mine"
    assert (files_root() / "note.txt").exists()
