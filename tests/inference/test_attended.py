"""A block that is watched ends with its reason, and with nothing of it left behind."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from inference.attended import Attended, ClientLeft
from tests.waiting import until

Receive = Callable[[], Awaitable[dict[str, Any]]]


def client(left: asyncio.Event) -> Receive:
    async def receive() -> dict[str, Any]:
        await left.wait()
        return {"type": "http.disconnect"}

    return receive


async def test_time_is_up() -> None:
    with pytest.raises(TimeoutError), Attended(0.01):
        await asyncio.Event().wait()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def wait_for_ever(left: asyncio.Event) -> None:
    with Attended(10) as attended:
        attended.watch(client(left))
        await asyncio.Event().wait()


async def test_the_client_leaves() -> None:
    left = asyncio.Event()
    left.set()
    with pytest.raises(ClientLeft):
        await wait_for_ever(left)


async def test_a_block_that_ends_by_itself_leaves_no_task_and_no_timer() -> None:
    before = asyncio.all_tasks()
    with Attended(10) as attended:
        attended.watch(client(asyncio.Event()))
        await until(lambda: attended._watch is not None)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
    assert all(timer.cancelled() for timer in attended._timers)


async def test_a_shutdown_has_precedence() -> None:
    task = asyncio.create_task(wait_for_ever(asyncio.Event()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
