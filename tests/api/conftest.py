"""The api as a process of its own, over real Postgres and Valkey, and a stub where the gateway would be."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest

from bench.ports import free_port
from tests.api.bodies import write_base_model
from tests.api.refusal import Refusal
from tests.conftest import Services
from tests.sdk import Sdk
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]


class StubGateway(BaseHTTPRequestHandler):
    """Answers every request with what it received."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
        seen = {"method": self.command, "path": self.path, "body": body, "headers": dict(self.headers)}
        answer = json.dumps(seen).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.send_header("x-tunesmith-model-version", "m1")
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def running_api(services: Services, log: Path, **env: str) -> Iterator[str]:
    """The URL of an api process that runs until the end of the block."""
    port = free_port()
    everything = {**services.env, "TUNESMITH_API_PORT": str(port), **env}
    with log.open("wb") as file:
        process = subprocess.Popen([sys.executable, "-m", "api"], cwd=ROOT, env=everything, stdout=file, stderr=file)
    url = f"http://127.0.0.1:{port}"

    def is_up() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return httpx.get(f"{url}/health", timeout=5).status_code in (200, 503)
        except httpx.TransportError:
            return False

    try:
        wait_until(is_up, deadline_s=60)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def client_of(services: Services, url: str) -> httpx.Client:
    return httpx.Client(base_url=url, headers={"authorization": f"Bearer {services.admin_key}"}, timeout=30)


@pytest.fixture(scope="session")
def api_url(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One api for the session, with the stub as its gateway."""
    stub = ThreadingHTTPServer(("127.0.0.1", 0), StubGateway)
    Thread(target=stub.serve_forever, daemon=True).start()
    log = tmp_path_factory.mktemp("api") / "api.log"
    with running_api(services, log, TUNESMITH_INFERENCE_URL=f"http://127.0.0.1:{stub.server_port}") as url:
        yield url
    stub.shutdown()
    stub.server_close()


@pytest.fixture
def client(database: Services, api_url: str) -> Iterator[httpx.Client]:
    """A client with the admin key; the tables are empty."""
    with client_of(database, api_url) as client:
        yield client


@pytest.fixture(scope="session")
def base_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that has everything admission looks for, for sequences of up to 2,048 tokens."""
    return write_base_model(tmp_path_factory.mktemp("base"))


@pytest.fixture
def refusal(client: httpx.Client, database: Services) -> Refusal:
    return Refusal(client, database)


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def sdk(request: pytest.FixtureRequest, database: Services, api_url: str) -> Iterator[Sdk]:
    """OpenAI's SDK, each of its two clients in turn; the tables are empty."""
    sdk = Sdk(is_async=request.param, url=api_url, key=database.admin_key)
    yield sdk
    sdk.close()
