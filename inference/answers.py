"""Passes vLLM's answer on to the client under the public name, and notes on the way what the metrics count.

A stream goes out in the chunks in which it comes in, one write for each; nothing in it is parsed.  Any other answer is
complete in memory before its first byte goes out, so a vLLM that dies in the middle of one can still be asked again.
"""

import asyncio

from core.http_client import Answer, BrokenOff
from core.passthrough import EVENT_STREAM, broke_off, headers_to_return
from inference.errors import normalised
from inference.exchange import Exchange
from inference.names import ModelEcho
from inference.usage import LOOKED_AT_BYTES, tokens_in

MOST_KEPT_BYTES = 1_000_000


async def pass_on(answer: Answer, exchange: Exchange, echo: ModelEcho | None, *, keep: bool) -> bytes | None:
    """Send it all.  What was sent, when it is to be kept and is not too long; UpstreamFailed when it breaks off."""
    headers = headers_to_return(answer)
    try:
        if answer.status == 200 and answer.header(b"content-type").startswith(EVENT_STREAM):
            await exchange.begin_stream(answer.status, headers)
            return await _pass_events(answer, exchange, echo, keep=keep)
        body = await answer.read_all()
    except BrokenOff as error:
        raise broke_off("vLLM", error) from error
    if answer.status >= 400:
        body = normalised(answer.status, body)
        headers = [(b"content-type", b"application/json")]
    elif echo:
        body = echo.in_whole(body)
    exchange.tokens = tokens_in(body[-LOOKED_AT_BYTES:])
    await exchange.answer(answer.status, headers, body)
    return body if keep and answer.status == 200 and len(body) <= MOST_KEPT_BYTES else None


async def _pass_events(answer: Answer, exchange: Exchange, echo: ModelEcho | None, *, keep: bool) -> bytes | None:
    clock = asyncio.get_running_loop().time
    kept: list[bytes] = []
    kept_bytes, tail = 0, b""
    while chunk := await answer.read():
        exchange.last_event_s = clock()
        if exchange.first_event_s is None:
            exchange.first_event_s = exchange.last_event_s
        exchange.events += chunk.count(b"\n\n")
        tail = chunk if len(chunk) >= LOOKED_AT_BYTES else (tail + chunk)[-LOOKED_AT_BYTES:]
        if echo:
            chunk = echo.feed(chunk)
        if keep and kept_bytes <= MOST_KEPT_BYTES:
            kept.append(chunk)
            kept_bytes += len(chunk)
        if answer.at_end:
            break
        await exchange.call.write(chunk, more=True)
    if echo:
        chunk += echo.finish()
    exchange.tokens = tokens_in(tail)
    await exchange.call.write(chunk, more=False)
    return b"".join(kept) if keep and kept_bytes <= MOST_KEPT_BYTES else None
