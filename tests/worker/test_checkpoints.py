"""Only checkpoints that were written whole are resumed from."""

from pathlib import Path

from worker.stages.checkpoints import is_complete, last_complete, mark_complete


def checkpoint(folder: Path, step: int, *, mark: bool = True) -> Path:
    path = folder / f"checkpoint-{step}"
    path.mkdir()
    (path / "adapter_model.safetensors").write_bytes(b"x" * 100)
    if mark:
        mark_complete(path)
    return path


def test_the_newest_complete_one_is_chosen(tmp_path: Path) -> None:
    checkpoint(tmp_path, 9)
    newest = checkpoint(tmp_path, 10)
    checkpoint(tmp_path, 11, mark=False)
    assert last_complete(tmp_path) == newest


def test_a_truncated_one_is_skipped_for_the_one_before(tmp_path: Path) -> None:
    before = checkpoint(tmp_path, 10)
    (checkpoint(tmp_path, 20) / "adapter_model.safetensors").write_bytes(b"x" * 50)
    assert last_complete(tmp_path) == before


def test_a_missing_file_makes_it_incomplete(tmp_path: Path) -> None:
    path = checkpoint(tmp_path, 10)
    (path / "adapter_model.safetensors").unlink()
    assert not is_complete(path)


def test_no_checkpoint_is_none(tmp_path: Path) -> None:
    assert last_complete(tmp_path) is None
