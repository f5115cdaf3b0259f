"""A file that is pinned to its bytes is read while it holds them, and refused otherwise."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.errors import DataChanged
from core.spec import DatasetSpec
from worker.stages.sources import source_rows

ROW = b'{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}\n'


@dataclass(frozen=True)
class Folders:
    data_root: str
    files_root: str


def test_a_pinned_file_is_read_only_while_it_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(ROW)
    data = DatasetSpec(source="rows.jsonl", sha256=hashlib.sha256(ROW).hexdigest())
    folders = Folders(str(tmp_path), str(tmp_path))
    assert len(list(source_rows(data, folders))) == 1
    (tmp_path / "rows.jsonl").write_bytes(ROW * 2)
    with pytest.raises(DataChanged, match=r"'rows.jsonl' has the sha256 .* its bytes have changed"):
        list(source_rows(data, folders))


def test_a_hub_data_set_is_pinned_by_its_revision() -> None:
    with pytest.raises(ValueError, match="pin it by `revision`"):
        DatasetSpec(source="owner/rows", sha256="0" * 64)
