"""The load generator: keep-alive connections that each send the next request when the answer is there.

A process of its own, and much cheaper for a request than any server here, so that it is the server that is measured.
It reads a `Load` as JSON from stdin and prints a `Report` as JSON.
"""

import asyncio
import itertools
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import cast
from urllib.parse import urlsplit

import uvloop
from pydantic import BaseModel

ANSWER_TIMEOUT_S = 30
CHUNKED = -1
LAST_CHUNK = b"\r\n0\r\n\r\n"


class Load(BaseModel):
    """What to send, and for how long."""

    url: str
    method: str
    paths: list[str]
    headers: dict[str, str]
    body: str = ""
    connections: int = 16
    seconds: float = 3.0


class Report(BaseModel):
    """What came back."""

    per_s: float
    p50_ms: float
    p99_ms: float
    first_p50_ms: float
    """Until the first byte of the body, which for a stream is its first event."""
    statuses: dict[int, int]
    busy: float
    """Share of the time in which the generator itself was computing; near 1 it would be what is measured."""

    def unexpected(self, status: int) -> int:
        """Answers with any other status."""
        return sum(self.statuses.values()) - self.statuses.get(status, 0)

    @property
    def errors_5xx(self) -> int:
        """Answers that blame the server."""
        return sum(count for status, count in self.statuses.items() if status >= 500)


def run(load: Load) -> Report:
    """Send the load from a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"],
        input=load.model_dump_json(),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return Report.model_validate_json(done.stdout)


class _Tally:
    def __init__(self, until: float) -> None:
        self.until = until
        self.seconds: list[float] = []
        self.first_seconds: list[float] = []
        self.statuses: Counter[int] = Counter()


class _Connection(asyncio.Protocol):
    def __init__(self, requests: Iterator[bytes], tally: _Tally, ended: asyncio.Future[None]) -> None:
        self.requests, self.tally, self.ended = requests, tally, ended
        self.received, self.length, self.status = b"", 0, 0
        self.sent_at = self.first_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by its type
        self._send()

    def _send(self) -> None:
        self.received, self.length, self.status, self.first_at = b"", 0, 0, 0.0
        self.sent_at = time.perf_counter()
        self.transport.write(next(self.requests))

    def data_received(self, data: bytes) -> None:
        self.received += data
        if not self.status:
            end = self.received.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self.received[:end].lower()
            self.status, self.received = int(head[9:12]), self.received[end + 4 :]
            length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
            self.length = int(length) if length else CHUNKED
        if self.received and not self.first_at:
            self.first_at = time.perf_counter()
        if self.length == CHUNKED:
            self.received = self.received[-len(LAST_CHUNK) :]
            if self.received != LAST_CHUNK:
                return
        elif len(self.received) < self.length:
            return
        now = time.perf_counter()
        self.tally.seconds.append(now - self.sent_at)
        self.tally.first_seconds.append(self.first_at - self.sent_at)
        self.tally.statuses[self.status] += 1
        if now < self.tally.until:
            self._send()
        else:
            self.ended.set_result(None)
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(error or ConnectionResetError("the server closed a kept-alive connection"))


def _requests(load: Load, host: str) -> list[bytes]:
    headers = {"host": host, "content-type": "application/json", **load.headers}
    body = load.body.encode()
    if load.method != "GET":
        headers["content-length"] = str(len(body))
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return [f"{load.method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body for path in load.paths]


async def _send(load: Load) -> Report:
    url = urlsplit(load.url)
    requests = itertools.cycle(_requests(load, url.netloc))
    loop = asyncio.get_running_loop()
    cpu_began, began = time.process_time(), time.perf_counter()
    tally = _Tally(began + load.seconds)
    ends = [loop.create_future() for _ in range(load.connections)]
    for ended in ends:
        connection = _Connection(requests, tally, ended)
        await loop.create_connection(partial(_same, connection), url.hostname or "", url.port or 80)
    async with asyncio.timeout(load.seconds + ANSWER_TIMEOUT_S):
        await asyncio.gather(*ends)
    took_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_began
    ordered = sorted(tally.seconds)
    return Report(
        per_s=round(len(ordered) / took_s, 1),
        p50_ms=round(percentile(ordered, 0.50) * 1000, 3),
        p99_ms=round(percentile(ordered, 0.99) * 1000, 3),
        first_p50_ms=round(percentile(sorted(tally.first_seconds), 0.50) * 1000, 3),
        statuses=dict(tally.statuses),
        busy=round(cpu_s / took_s, 3),
    )


def _same(connection: _Connection) -> _Connection:
    return connection


def percentile(ordered: list[float], share: float) -> float:
    """The value that `share` of the ordered ones do not exceed."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


if __name__ == "__main__":
    print(uvloop.run(_send(Load.model_validate_json(sys.stdin.read()))).model_dump_json())
