"""Whether a second vLLM has room, from what this machine really has."""

from pathlib import Path

from core.machine import free_host_memory
from core.memory import GIB
from core.settings import Settings
from inference.room import room_for


def weights_of(folder: Path, size_bytes: int) -> Path:
    """A folder whose weights seem so large and take no space."""
    with (folder / "model.safetensors").open("wb") as file:
        file.truncate(size_bytes)
    return folder


def test_a_small_model_has_room_and_the_text_says_how_much(tmp_path: Path) -> None:
    room = room_for(weights_of(tmp_path, 1024), Settings())
    assert room.fits == (free_host_memory() >= 2.5 * GIB)
    assert room.text.startswith("a second vLLM needs 2.5 GiB of memory, ")


def test_a_model_larger_than_what_is_free_has_none(tmp_path: Path) -> None:
    assert not room_for(weights_of(tmp_path, free_host_memory()), Settings()).fits


def test_the_cache_counts(tmp_path: Path) -> None:
    room = room_for(weights_of(tmp_path, 1024), Settings(vllm_cpu_kvcache_gb=7))
    assert room.text.startswith("a second vLLM needs 8.5 GiB of memory, ")


def test_who_wants_none_gets_none(tmp_path: Path) -> None:
    room = room_for(weights_of(tmp_path, 1024), Settings(second_vllm="never"))
    assert (room.fits, room.text) == (False, "TUNESMITH_SECOND_VLLM is never")
