"""Only checkpoints that were written whole, and are still as they were, are resumed from."""

from pathlib import Path

from worker.stages.checkpoints import damage, discard_after, last_complete, mark_complete, prune


def checkpoint(folder: Path, step: int, *, mark: bool = True) -> Path:
    path = folder / f"checkpoint-{step}"
    path.mkdir()
    (path / "adapter_model.safetensors").write_bytes(b"x" * 100)
    if mark:
        mark_complete(path)
    return path


def steps(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_newest_complete_one_is_chosen(tmp_path: Path) -> None:
    checkpoint(tmp_path, 9)
    newest = checkpoint(tmp_path, 10)
    checkpoint(tmp_path, 11, mark=False)
    assert last_complete(tmp_path) == newest


def test_a_truncated_one_is_skipped_for_the_one_before_and_the_reason_is_told(tmp_path: Path) -> None:
    before = checkpoint(tmp_path, 10)
    cut = checkpoint(tmp_path, 20)
    (cut / "adapter_model.safetensors").write_bytes(b"x" * 50)
    told: list[tuple[Path, str]] = []
    assert last_complete(tmp_path, lambda path, why: told.append((path, why))) == before
    assert told == [(cut, "adapter_model.safetensors has 50 bytes instead of 100")]


def test_a_changed_bit_makes_it_damaged(tmp_path: Path) -> None:
    path = checkpoint(tmp_path, 10)
    (path / "adapter_model.safetensors").write_bytes(b"x" * 99 + b"y")
    assert damage(path) == "the content of adapter_model.safetensors has changed"


def test_a_missing_file_makes_it_damaged(tmp_path: Path) -> None:
    path = checkpoint(tmp_path, 10)
    (path / "adapter_model.safetensors").unlink()
    assert damage(path) == "adapter_model.safetensors is missing"


def test_a_mark_that_was_cut_off_makes_it_damaged(tmp_path: Path) -> None:
    path = checkpoint(tmp_path, 10)
    (path / "COMPLETE").write_bytes(b'{"adapter')
    assert damage(path) == "its COMPLETE cannot be read"


def test_no_checkpoint_is_none(tmp_path: Path) -> None:
    assert last_complete(tmp_path) is None


def test_the_last_two_complete_ones_are_kept(tmp_path: Path) -> None:
    for step in (5, 10, 15):
        checkpoint(tmp_path, step)
    checkpoint(tmp_path, 20, mark=False)
    prune(tmp_path)
    assert steps(tmp_path) == ["checkpoint-10", "checkpoint-15", "checkpoint-20"]


def test_what_is_newer_than_the_one_gone_on_from_is_removed(tmp_path: Path) -> None:
    last = checkpoint(tmp_path, 10)
    for step in (15, 20):
        checkpoint(tmp_path, step, mark=False)
    discard_after(tmp_path, last)
    assert steps(tmp_path) == ["checkpoint-10"]
