"""The gateway itself on a port of its own, in a thread, before a `Vllm`; settings as the test wants them."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import httpx
import uvicorn
from pydantic import SecretStr

from bench.ports import free_port
from core.db import in_thread
from core.key_ring import KeyRing
from core.projects import DEFAULT
from core.settings import Settings
from inference.__main__ import Server, configure
from inference.app import Gateway
from inference.gate import Gate
from inference.metrics import Metrics
from inference.routes import Routes, Table, Target, Trial
from tests.inference import vllm as vllm_server
from tests.inference.vllm import Vllm
from tests.waiting import wait_until

KEY = "admin-key"
ALIAS, MODEL = "tunesmith", "ft:base:default:x:1"
T = TypeVar("T")


class Backend:
    """The way to a `Vllm`, with a gate of its own: a gateway that stops shuts it."""

    def __init__(self, vllm: Vllm) -> None:
        self.gate = Gate(20)
        self.base_url = vllm.base_url
        self.api_key = vllm_server.KEY


class Front:
    """What a test does with a gateway."""

    def __init__(self, server: uvicorn.Server, url: str, gate: Gate, routes: Routes) -> None:
        self.server, self.url, self.gate, self.routes = server, url, gate, routes
        self.loop: asyncio.AbstractEventLoop

    def client(self, key: str = KEY) -> httpx.Client:
        """For one test."""
        return httpx.Client(base_url=self.url, headers={"authorization": f"Bearer {key}"}, timeout=20)

    def post(self, do: str = "answer", /, **members: Any) -> httpx.Response:
        """Ask for a chat completion."""
        with self.client() as client:
            return client.post("/v1/chat/completions", json={"model": ALIAS, "do": do, **members})

    def in_loop(self, act: Callable[[], T]) -> T:
        """Run it where the gateway runs."""

        async def run() -> T:
            return act()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(10)

    def metric(self, line: str) -> float:
        """The value of a line of `/metrics`, 0 when it is not there."""
        with self.client() as client:
            lines = client.get("/metrics").raise_for_status().text.splitlines()
        return next((float(one.rpartition(" ")[2]) for one in lines if one.rpartition(" ")[0] == line), 0.0)

    @property
    def waiting(self) -> float:
        """Requests behind the gate."""
        return self.metric("tunesmith_requests_waiting")

    @property
    def inside(self) -> float:
        """Requests that vLLM is at work on."""
        return self.metric("tunesmith_requests_inside")


@contextmanager
def running_front(
    vllm: Vllm,
    try_out: Callable[[Target], Target | Trial] = lambda target: target,
    *,
    follows_keys: bool = False,
    **settings: Any,
) -> Iterator[Front]:
    """A gateway that leads the alias to the model, or to a trial of it; it may know the keys of the database, too."""
    port = free_port()
    chosen = Settings(admin_key=SecretStr(KEY), inference_host="127.0.0.1", inference_port=port, **settings)
    routes, backend = Routes(chosen.gate_timeout_s), Backend(vllm)
    keys = KeyRing(chosen, in_thread if follows_keys else None)
    target = Target(MODEL, backend, vllm_server.ENGINE_NAME, since_s=5)

    @asynccontextmanager
    async def running() -> AsyncIterator[None]:
        front.loop = asyncio.get_running_loop()
        routes.set(Table({ALIAS: try_out(target)}, {MODEL: target}, {ALIAS: {DEFAULT}, MODEL: {DEFAULT}}))
        following = asyncio.create_task(keys.follow()) if follows_keys else None
        yield
        if following is not None:
            following.cancel()

    gateway = Gateway(chosen, routes, Metrics(), keys, running)
    server = Server(configure(gateway, chosen), gateway)
    front = Front(server, f"http://127.0.0.1:{port}", backend.gate, routes)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started)
        yield front
    finally:
        server.should_exit = True
        thread.join(20)
