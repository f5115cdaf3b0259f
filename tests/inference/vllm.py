"""A server in vLLM's place that does what the member `do` of a request says, byte by byte."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

KEY = "vllm-key"
ENGINE_NAME = "engine"
USAGE = '"usage":{"prompt_tokens":20,"total_tokens":23,"completion_tokens":3}'
ANSWER = f'{{"id":"x", "model":"engine","odd":[1.50,"ß \\"model\\":\\"engine\\""],{USAGE}}}'.encode()
EVENTS = [
    *(
        f'data: {{"id":"x","model":"engine","choices":[{{"delta":{{"content":"{word}"}}}}]}}\n\n'.encode()
        for word in "abc"
    ),
    f'data: {{"id":"x","model":"engine","choices":[],{USAGE}}}\n\n'.encode(),
    b"data: [DONE]\n\n",
]
Write = Callable[[bytes], Awaitable[None]]


@dataclass(frozen=True)
class Seen:
    """A request as it arrived."""

    line: str
    headers: dict[str, str]
    body: bytes


class Vllm:
    """The server.  `left` counts the connections that were closed before their answer was at its end."""

    def __init__(self) -> None:
        self.base_url = ""
        self.seen: list[Seen] = []
        self.left = 0
        self.connections = 0
        self.go_on = threading.Event()
        """A stream waits for it behind its first event."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                line, *lines = head.decode().split("\r\n")
                headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in lines if one)}
                seen = Seen(line, headers, await reader.readexactly(int(headers["content-length"])))
                self.seen.append(seen)
                act = getattr(self, "do_" + json.loads(seen.body).get("do", "answer"))
                await act(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def do_answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(_head("200 OK", "content-type: application/json", "x-odd: 1", f"content-length: {len(ANSWER)}"))
        writer.write(ANSWER)

    async def do_refuse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = b'{"error":{"message":"too long","type":"BadRequestError","param":"messages","code":400}}'
        writer.write(_head("400 Bad Request", "content-type: application/json", f"content-length: {len(body)}") + body)

    async def do_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(_stream_head() + _chunk(EVENTS[0]))
        await asyncio.to_thread(self.go_on.wait, 20)
        for event in EVENTS[1:]:
            writer.write(_chunk(event))
            await writer.drain()
        writer.write(b"0\r\n\r\n")

    async def do_hang(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.read(1) == b""
        self.left += 1
        raise ConnectionResetError

    async def do_stall(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(_stream_head() + _chunk(EVENTS[0]))
        await self.do_hang(reader, writer)

    async def do_stall_at_once(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(_stream_head())
        await self.do_hang(reader, writer)

    async def do_die(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise ConnectionResetError

    async def do_die_once(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if sum(seen.body == self.seen[-1].body for seen in self.seen) == 1:
            raise ConnectionResetError
        await self.do_answer(reader, writer)

    async def do_break_off(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(_stream_head() + _chunk(EVENTS[0]))
        await writer.drain()
        raise ConnectionResetError


def _head(status: str, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", "server: uvicorn", *headers, "", ""]).encode()


def _stream_head() -> bytes:
    return _head("200 OK", "content-type: text/event-stream; charset=utf-8", "transfer-encoding: chunked")


def _chunk(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(content), content)


@contextmanager
def running_vllm() -> Iterator[Vllm]:
    """The server in a thread of its own."""
    vllm, ready, done = Vllm(), threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def run() -> None:
        loops.append(asyncio.get_running_loop())
        server = await asyncio.start_server(vllm.serve, "127.0.0.1", 0)
        vllm.base_url = "http://127.0.0.1:{1}".format(*server.sockets[0].getsockname())
        ready.set()
        await done.wait()
        server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    assert ready.wait(10)
    try:
        yield vllm
    finally:
        vllm.go_on.set()
        loops[0].call_soon_threadsafe(done.set)
        thread.join(10)
