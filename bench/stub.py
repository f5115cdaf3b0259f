"""`python -m bench.stub PORT`: answers like vLLM, and at once: one chat completion, or 64 events of a stream.

uvloop and the parser of uvicorn without anything around them.  Every event is a write of its own in a turn of the event
loop of its own, as vLLM writes them, so none of those who pass it on gets the stream in one piece.
"""

import asyncio
import json
import sys
from typing import Any, cast

import httptools
import uvloop

EVENTS = 64
_USAGE = {"prompt_tokens": 20, "total_tokens": 84, "completion_tokens": 64, "prompt_tokens_details": None}
_MESSAGE: dict[str, Any] = {"role": "assistant", "content": "The sea is blue. " * 12, "refusal": None, "tool_calls": []}


def _completion(kind: str, choices: list[dict[str, Any]], **further: Any) -> bytes:
    body = {"id": "chatcmpl-1", "object": kind, "created": 1, "model": "engine", "choices": choices, **further}
    return json.dumps(body, separators=(",", ":")).encode()


def _event(content: bytes) -> bytes:
    event = b"data: %b\n\n" % content
    return b"%x\r\n%b\r\n" % (len(event), event)


def _head(*headers: bytes) -> bytes:
    return b"\r\n".join(
        [b"HTTP/1.1 200 OK", b"date: Wed, 25 Nov 2026 10:00:00 GMT", b"server: uvicorn", *headers, b"", b""]
    )


_BODY = _completion(
    "chat.completion", [{"index": 0, "message": _MESSAGE, "logprobs": None, "finish_reason": "stop"}], usage=_USAGE
)
ANSWER = _head(b"content-type: application/json", b"content-length: %d" % len(_BODY)) + _BODY
STREAM_HEAD = _head(b"content-type: text/event-stream; charset=utf-8", b"transfer-encoding: chunked")
_CHOICE = {"index": 0, "delta": {"content": " sea"}, "logprobs": None, "finish_reason": None}
STREAM = [_event(_completion("chat.completion.chunk", [_CHOICE]))] * EVENTS
STREAM_END = _event(b"[DONE]") + b"0\r\n\r\n"


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.loop = asyncio.get_running_loop()
        self.streams = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by its type

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_begin(self) -> None:
        self.streams = False

    def on_body(self, body: bytes) -> None:
        self.streams = self.streams or b'"stream":true' in body or b'"stream": true' in body

    def on_message_complete(self) -> None:
        if self.streams:
            self.transport.write(STREAM_HEAD)
            self._write_event(0)
        else:
            self.transport.write(ANSWER)

    def _write_event(self, number: int) -> None:
        if number < EVENTS:
            self.transport.write(STREAM[number])
            self.loop.call_soon(self._write_event, number + 1)
        else:
            self.transport.write(STREAM_END)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
