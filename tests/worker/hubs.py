"""Hubs on this machine: one that answers everything alike or not at all, and one that has a data set."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from urllib.parse import unquote, urlparse

COMMIT = "a" * 40
NAME = "owner/rows"


class Server:
    """A server on a free port; `requests` are those that came."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Hub(Server):
    """Gives every request the answer `status`; with 0 none, however long one waits."""

    def __init__(self) -> None:
        self.status, self.closing = 200, Event()
        hub = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if not hub.status:
                    hub.closing.wait()
                    return
                self.send_response(hub.status)
                self.send_header("content-length", "0")
                self.end_headers()

            do_HEAD = do_GET

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(Answer)

    def close(self) -> None:
        self.closing.set()
        super().close()


class DataHub(Server):
    """Has the data set NAME, whose files are `files`; its newest commit is COMMIT."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.requests: list[str] = []
        hub = self

        class Answer(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                path = unquote(urlparse(self.path).path)
                hub.requests.append(path)
                name = re.fullmatch(f"/datasets/{NAME}/resolve/{COMMIT}/(.+)", path)
                if re.fullmatch(f"/api/datasets/{NAME}(/revision/(main|v1|{COMMIT}))?", path):
                    siblings = [{"rfilename": each} for each in files]
                    self.send(json.dumps({"id": NAME, "sha": COMMIT, "siblings": siblings}).encode())
                elif path == f"/api/datasets/{NAME}/tree/{COMMIT}":
                    tree = [{"type": "file", "oid": "b" * 40, "size": len(files[each]), "path": each} for each in files]
                    self.send(json.dumps(tree).encode())
                elif name and name[1] in files:
                    self.send(files[name[1]])
                else:
                    kind = "RevisionNotFound" if "/revision/" in path else "EntryNotFound"
                    self.send(b"", 404, {"x-error-code": kind})

            do_HEAD = do_GET

            def do_POST(self) -> None:
                """What is known of some paths; only asked when there is nothing."""
                self.rfile.read(int(self.headers["content-length"]))
                self.send(b"[]")

            def send(self, body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
                headers = {"etag": '"e"', "x-repo-commit": COMMIT, **(headers or {})}
                part = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("range", ""))
                if part and status == 200:
                    start, total, status = int(part[1]), len(body), 206
                    body = body[start : int(part[2]) + 1]
                    headers["content-range"] = f"bytes {start}-{start + len(body) - 1}/{total}"
                self.send_response(status)
                for key, value in {"content-length": str(len(body)), **headers}.items():
                    self.send_header(key, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(Answer)


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[DataHub]:
    """The data set, until the end of the block."""
    hub = DataHub(files)
    try:
        yield hub
    finally:
        hub.close()
