"""Storage: readers see whole files and folders or none, and nobody reads outside of a root."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core import storage
from core.errors import InvalidRequest
from tests.conftest import Services


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "manifest.json"
    storage.write_json(path, {"a": 1})
    storage.write_json(path, {"b": "é"})
    assert storage.read_json(path) == {"b": "é"}
    assert names(path.parent) == ["manifest.json"]


def test_a_reader_never_sees_a_part_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "value.json"
    storage.write_json(path, ["x"] * 20_000)

    def write() -> None:
        for number in range(20):
            storage.write_json(path, [str(number)] * 20_000)

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        while not writing.done():
            assert len(storage.read_json(path)) == 20_000
        writing.result()


def test_a_new_directory_appears_whole_with_its_files(tmp_path: Path) -> None:
    target = tmp_path / "models" / "chat"
    with storage.new_directory(target) as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "weights").write_bytes(b"x")
        assert not target.exists()
    assert (target / "sub" / "weights").read_bytes() == b"x"
    assert names(target.parent) == ["chat"]


def test_a_new_directory_replaces_the_old_one(tmp_path: Path) -> None:
    for name in ("old", "new"):
        with storage.new_directory(tmp_path / "chat") as folder:
            (folder / name).touch()
    assert names(tmp_path / "chat") == ["new"]


def test_an_error_leaves_the_old_directory_and_no_other(tmp_path: Path) -> None:
    with storage.new_directory(tmp_path / "chat") as folder:
        (folder / "old").touch()
    with pytest.raises(FileNotFoundError), storage.new_directory(tmp_path / "chat") as folder:
        (folder / "half" / "file").touch()
    assert names(tmp_path) == ["chat"]
    assert names(tmp_path / "chat") == ["old"]


@pytest.mark.parametrize("relative", ["../x", "/etc/passwd", "a/../../x", "link/x"])
def test_a_path_outside_of_the_root_is_refused(tmp_path: Path, relative: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    with pytest.raises(InvalidRequest, match="lies outside of"):
        storage.confined(root, relative, "source")


def test_a_path_below_the_root_is_resolved(tmp_path: Path) -> None:
    assert storage.confined(tmp_path, "a/./b.jsonl", "source") == tmp_path.resolve() / "a/b.jsonl"


def test_locations_are_below_storage_unless_absolute(services: Services) -> None:
    location = storage.model_location("ftjob-x", "chat")
    assert storage.resolve(location) == services.storage_path / "models/ftjob-x/chat"
    assert storage.resolve("/models/base") == Path("/models/base")
    assert storage.stage_dir("ftjob-x", "chat") == services.storage_path / "jobs/ftjob-x/chat"
