"""The vLLM process: started with the right flags, waited for, noticed when it dies, and stopped to the last child."""

import asyncio
import contextlib
import logging
import os
import secrets
import signal
from collections.abc import Callable

import aiohttp

from core.errors import EngineFailed
from core.ports import claim_next_port
from core.settings import Settings
from inference.command import Launch, arguments, environment

log = logging.getLogger(__name__)
STOP_TIMEOUT_S = 15.0
POLL_S = 0.1
LOG_TAIL_LINES = 12


class Engine:
    """At most one vLLM at a time.  `on_death` is called, in the event loop, when it ends without being asked to.

    `slot` tells two of them apart: the second has the next free port and a log of its own.
    """

    def __init__(self, settings: Settings, on_death: Callable[[], None], slot: int = 0) -> None:
        key = settings.vllm_api_key
        self.api_key = key.get_secret_value() if key else secrets.token_urlsafe(32)
        # Whoever starts the gateway keeps the first one's port for it.
        self._claim = None if slot == 0 else claim_next_port(settings.vllm_host, settings.vllm_port)
        self.port = settings.vllm_port if self._claim is None else self._claim.port
        self.base_url = f"http://{settings.vllm_host}:{self.port}"
        self.log_path = settings.log_dir / ("vllm.log" if slot == 0 else f"vllm-{slot}.log")
        self.deaths = 0
        self._settings = settings
        self._on_death = on_death
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """Whether the process lives; `start` returns only when it also answers."""
        return self._process is not None and self._process.returncode is None

    async def start(self, launch: Launch) -> None:
        """Serve a model.

        EngineFailed, with the end of vLLM's log, when it does not answer in time.  It is stopped then.
        """
        await self.stop()
        await self._check_port()
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        python = os.path.abspath(self._settings.vllm_python)  # noqa: ASYNC240  (resolving would leave the venv)
        served_by = [python, "-m", "tunesmith_vllm.serve", str(os.getpid())]
        command = served_by + arguments(self._settings, launch, self.port)
        try:
            with self.log_path.open("ab") as output:
                log.info("engine.start port=%s model=%s", self.port, launch.model)
                # In the event loop's own thread: the kernel ends vLLM when the thread that forked it ends.
                self._process = await asyncio.create_subprocess_exec(
                    *command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                    env=environment(self._settings, self.api_key, launch.model),
                )
        except OSError as error:
            raise EngineFailed(
                f"{command[0]} could not be started ({error}): install vLLM there, or set TUNESMITH_VLLM_PYTHON"
            ) from error
        try:
            await self._until_healthy(self._process)
        except BaseException:
            await self.stop()
            raise
        self._watch = asyncio.create_task(self._notice_death(self._process))

    async def stop(self) -> None:
        """End vLLM and everything it started: politely, then by force.

        vLLM aborts what still runs (its --shutdown-timeout would only add itself to an idle stop, as measured):
        whoever calls this has drained the gate.
        """
        process, self._process = self._process, None
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if process is None:
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
        _kill_group(process.pid)
        await process.wait()
        log.info("engine.stopped pid=%s", process.pid)

    async def death_noticed(self, within_s: float) -> None:
        """Return once `on_death` was called, or after `within_s`: a broken connection is seen before what broke it."""
        if self._watch is not None:
            await asyncio.wait({self._watch}, timeout=within_s)

    async def _until_healthy(self, process: asyncio.subprocess.Process) -> None:
        deadline = asyncio.get_running_loop().time() + self._settings.vllm_start_timeout_s
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            while process.returncode is None:
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    async with session.get(f"{self.base_url}/health") as answer:
                        if answer.status == 200:
                            return
                if asyncio.get_running_loop().time() > deadline:
                    raise EngineFailed(
                        f"vLLM did not answer within {self._settings.vllm_start_timeout_s:g} s: raise "
                        f"TUNESMITH_VLLM_START_TIMEOUT_S, or look into {self.log_path}\n{self.log_tail()}"
                    )
                await asyncio.sleep(POLL_S)
        raise EngineFailed(
            f"vLLM ended with exit code {process.returncode} while starting; "
            f"the end of {self.log_path}:\n{self.log_tail()}"
        )

    async def _notice_death(self, process: asyncio.subprocess.Process) -> None:
        code = await process.wait()
        self.deaths += 1
        log.error("engine.died pid=%s exit_code=%s log=%s", process.pid, code, self.log_path)
        _kill_group(process.pid)
        self._on_death()

    async def _check_port(self) -> None:
        host, port = self._settings.vllm_host, self.port
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(host, port)
            writer.close()
            raise EngineFailed(f"port {port} of {host} is taken by another process: stop it, or set VLLM_PORT")

    def log_tail(self) -> str:
        """The last lines of vLLM's log."""
        try:
            lines = self.log_path.read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-LOG_TAIL_LINES:])


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
