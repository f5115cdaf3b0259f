"""Requests wait at a closed gate, those inside finish, and nobody waits for ever."""

import asyncio

import pytest

from core.errors import NotServing
from inference.gate import Gate


async def pass_through(gate: Gate, leave: asyncio.Event) -> None:
    async with gate.passing():
        await leave.wait()


async def until_inside(gate: Gate, requests: int) -> None:
    for _ in range(100):
        if gate.inside == requests:
            return
        await asyncio.sleep(0)
    raise AssertionError(f"{gate.inside} requests are inside, not {requests}")


async def test_a_closed_gate_holds_requests_until_it_opens() -> None:
    gate, leave = Gate(5), asyncio.Event()
    gate.close("a swap")
    waiting = [asyncio.create_task(pass_through(gate, leave)) for _ in range(3)]
    assert await gate.drained(1)
    assert gate.inside == 0
    gate.open()
    await until_inside(gate, 3)
    leave.set()
    await asyncio.gather(*waiting)
    assert gate.inside == 0


async def test_drained_waits_for_those_inside_and_says_when_they_take_too_long() -> None:
    gate, leave = Gate(5), asyncio.Event()
    inside = asyncio.create_task(pass_through(gate, leave))
    await until_inside(gate, 1)
    gate.close("a swap")
    assert not await gate.drained(0.01)
    leave.set()
    assert await gate.drained(5)
    await inside


async def test_a_request_that_waited_too_long_is_told_why() -> None:
    gate = Gate(0.01, closed_for="vLLM is being started")
    with pytest.raises(NotServing, match=r"waited 0\.01 s \(vLLM is being started\).*TUNESMITH_GATE_TIMEOUT_S"):
        await pass_through(gate, asyncio.Event())


async def test_a_gate_that_opens_and_closes_at_once_lets_nobody_in() -> None:
    gate, leave = Gate(0.05, closed_for="loading"), asyncio.Event()
    waiting = asyncio.create_task(pass_through(gate, leave))
    await asyncio.sleep(0)
    gate.open()
    gate.close("a swap")
    with pytest.raises(NotServing, match="a swap"):
        await waiting


async def test_a_cancelled_request_leaves() -> None:
    gate = Gate(5)
    inside = asyncio.create_task(pass_through(gate, asyncio.Event()))
    await until_inside(gate, 1)
    inside.cancel()
    with pytest.raises(asyncio.CancelledError):
        await inside
    assert await gate.drained(0.01)


async def test_a_shut_down_turns_those_who_wait_away() -> None:
    gate = Gate(5, closed_for="loading")
    waiting = asyncio.create_task(pass_through(gate, asyncio.Event()))
    await asyncio.sleep(0)
    gate.shut_down()
    with pytest.raises(NotServing, match="shutting down"):
        await waiting
