"""Somebody else's OpenAI-compatible endpoint, as a judge whose replies a test decides."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Response:
    """What is sent back: by default a completion that says `text`."""

    text: str = ""
    status: int = 200
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        message = {"role": "assistant", "content": self.text}
        whole: Json = {"id": "1", "object": "chat.completion", "created": 1, "model": "judge"}
        whole["choices"] = [{"index": 0, "finish_reason": "stop", "message": message}]
        return json.dumps(whole).encode() if self.body is None else self.body


@dataclass
class JudgeServer:
    """Where it listens, and what it was asked."""

    url: str
    requests: list[Json] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    hosts: list[str | None] = field(default_factory=list)

    @property
    def compared(self) -> list[Json]:
        """The JSON that each request was about."""
        return [json.loads(request["messages"][-1]["content"]) for request in self.requests]


@contextmanager
def judge_server(answer: Callable[[Json], Response]) -> Iterator[JudgeServer]:
    """A server that answers the JSON to be judged with what the function says."""
    server = JudgeServer("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            server.requests.append(request)
            server.authorizations.append(self.headers["authorization"])
            server.hosts.append(self.headers["host"])
            response = answer(json.loads(request["messages"][-1]["content"]))
            self.send_response(response.status)
            for name, value in {"content-type": "application/json", **response.headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(response.content)))
            self.end_headers()
            self.wfile.write(response.content)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the test looks at what was asked."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{listening.server_port}/v1"
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()
