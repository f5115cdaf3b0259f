"""How vLLM is started, and what is said when it does not start."""

import asyncio
import socket
import sys
from pathlib import Path

import pytest

from bench.ports import free_port
from core.errors import EngineFailed, UpstreamFailed
from core.settings import Settings
from inference.command import Launch, arguments, cpu_defaults, environment
from inference.control import EngineControl
from inference.engine import Engine

# Its connection breaks a while before its process has ended, as that of a large one does.
DIES_AT_A_POST = """
import http.server, os, socket, sys, time

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def do_POST(self):
        self.connection.shutdown(socket.SHUT_RDWR)
        time.sleep(0.2)
        os._exit(9)

address = ("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1]))
http.server.HTTPServer(address, Handler).serve_forever()
"""


def settings(folder: Path, **changes: object) -> Settings:
    return Settings.model_validate({"log_dir": folder, "vllm_port": free_port(), "vllm_start_timeout_s": 20, **changes})


def launch(model: Path) -> Launch:
    return Launch(model, frozenset({model}))


def engine(chosen: Settings) -> Engine:
    return Engine(chosen, on_death=lambda: None)


async def test_an_interpreter_that_is_not_there_is_named(tmp_path: Path) -> None:
    missing = engine(settings(tmp_path, vllm_python=tmp_path / "python"))
    with pytest.raises(EngineFailed, match="set TUNESMITH_VLLM_PYTHON"):
        await missing.start(launch(tmp_path))


async def test_a_vllm_that_ends_while_starting_shows_the_end_of_its_log(tmp_path: Path) -> None:
    without_vllm = engine(settings(tmp_path, vllm_python=sys.executable))
    with pytest.raises(EngineFailed, match=r"exit code 1(.|\n)*vllm\.log(.|\n)*No module named"):
        await without_vllm.start(launch(tmp_path))
    assert not without_vllm.running


async def test_an_answer_that_breaks_off_is_reported_after_the_death_that_broke_it(tmp_path: Path) -> None:
    (tmp_path / "dies.py").write_text(DIES_AT_A_POST)
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} {tmp_path / "dies.py"} "$@"\n')
    python.chmod(0o755)
    deaths: list[str] = []
    dying = Engine(settings(tmp_path, vllm_python=python), on_death=lambda: deaths.append("noticed"))
    await dying.start(launch(tmp_path))
    with pytest.raises(UpstreamFailed, match="did not answer /v1/swap/commit"):
        await EngineControl(dying).commit()
    await dying.stop()
    assert deaths == ["noticed"]


async def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(EngineFailed, match=f"port {port} .* is taken"):
            await engine(settings(tmp_path, vllm_port=port)).start(launch(tmp_path))


async def test_stopping_what_was_never_started_is_fine(tmp_path: Path) -> None:
    async with asyncio.timeout(5):
        await engine(settings(tmp_path)).stop()


def test_users_arguments_come_last_so_that_they_win(tmp_path: Path) -> None:
    chosen = settings(tmp_path, vllm_args="--max-num-seqs 4 --block-size '16'", vllm_max_model_len=512)
    words = arguments(chosen, launch(tmp_path), 8002)
    assert words[-4:] == ["--max-num-seqs", "4", "--block-size", "16"]
    assert words[words.index("--max-model-len") + 1] == "512"


def test_vllm_gets_its_key_but_none_of_our_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "TUNESMITH_ADMIN_KEY", "VLLM_PORT"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    variables = environment(settings(tmp_path), "key", tmp_path)
    assert variables["VLLM_API_KEY"] == "key"
    assert "secret" not in variables.values()
    assert variables["OMP_NUM_THREADS"] == "7"


def test_a_small_machine_leaves_a_core_to_the_rest() -> None:
    assert cpu_defaults(2)["OMP_NUM_THREADS"] == "1"
    assert cpu_defaults(4)["OMP_NUM_THREADS"] == "3"
    assert "OMP_NUM_THREADS" not in cpu_defaults(64)
