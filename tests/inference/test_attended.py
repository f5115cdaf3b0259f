"""A block that is watched ends with its reason, and with nothing of it left behind."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from inference.attended import Attended
from inference.connection import Call, ClientLeft, Connection

Act = Callable[[Call, socket.socket], Coroutine[Any, Any, None]]


async def app(scope: object, receive: object, send: object) -> None:
    """Gets no request here."""


async def with_a_call(act: Act) -> None:
    """Run it with a request that has arrived, and with its client, who waits for the answer."""
    client, ours = socket.socketpair()
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def serve(call: Call) -> None:
        try:
            await act(call, client)
            done.set_result(None)
        except (ClientLeft, AssertionError) as error:
            done.set_exception(error)

    state = ServerState()
    server: dict[str, Any] = {"config": uvicorn.Config(app), "server_state": state, "app_state": {}}
    await asyncio.get_running_loop().connect_accepted_socket(lambda: Connection({"/x": serve}, **server), ours)
    with client:
        client.sendall(b"POST /x HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
        await asyncio.wait_for(asyncio.shield(done), 10)


async def wait_for_ever(call: Call, client: socket.socket) -> None:
    with Attended(call, 10):
        await asyncio.Event().wait()


async def test_time_is_up() -> None:
    async def act(call: Call, client: socket.socket) -> None:
        with pytest.raises(TimeoutError), Attended(call, 0.01):
            await asyncio.Event().wait()
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

    await with_a_call(act)


async def test_the_client_leaves() -> None:
    async def act(call: Call, client: socket.socket) -> None:
        client.close()
        await wait_for_ever(call, client)

    with pytest.raises(ClientLeft):
        await with_a_call(act)


async def test_the_client_has_left_already() -> None:
    async def act(call: Call, client: socket.socket) -> None:
        call.leave()
        await wait_for_ever(call, client)

    with pytest.raises(ClientLeft):
        await with_a_call(act)


async def test_a_block_that_ends_by_itself_leaves_no_timer_and_nothing_to_call() -> None:
    async def act(call: Call, client: socket.socket) -> None:
        with Attended(call, 10) as attended:
            await asyncio.sleep(0)
        assert attended._timer.cancelled()
        assert call.on_left is None

    await with_a_call(act)


async def test_a_shutdown_has_precedence() -> None:
    async def act(call: Call, client: socket.socket) -> None:
        task = asyncio.create_task(wait_for_ever(call, client))
        await asyncio.sleep(0)
        task.cancel()
        call.leave()
        with pytest.raises(asyncio.CancelledError):
            await task

    await with_a_call(act)
