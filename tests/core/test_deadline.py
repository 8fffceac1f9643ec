"""Calls that are seldom made: with one timer for all of them."""

from __future__ import annotations

import asyncio

import pytest

from app.core.deadline import Deadline, Delay

TICK = 0.03


async def test_functions_are_called_in_their_order_and_not_before() -> None:
    delay, called = Delay(TICK), list[float]()
    loop = asyncio.get_running_loop()
    began = loop.time()
    delay.give(lambda: called.append(1))
    await asyncio.sleep(TICK / 2)
    delay.give(lambda: called.append(2))
    delay.give(lambda: called.append(loop.time() - began))
    await asyncio.sleep(4 * TICK)
    assert called[:2] == [1, 2]
    assert called[2] >= 1.5 * TICK


async def test_what_is_taken_back_is_not_called() -> None:
    delay, called = Delay(TICK), list[int]()
    first = delay.give(lambda: called.append(1))
    delay.give(lambda: called.append(2))
    delay.take_back(first)
    await asyncio.sleep(3 * TICK)
    assert called == [2]
    delay.take_back(first)  # once more does no harm


async def test_it_goes_on_after_nothing_was_waiting() -> None:
    delay, called = Delay(TICK), list[int]()
    for number in range(3):
        delay.give(lambda number=number: called.append(number))  # type: ignore[misc]
        await asyncio.sleep(3 * TICK)
    assert called == [0, 1, 2]


async def test_one_may_take_others_back() -> None:
    delay, called = Delay(TICK), list[int]()
    other = 1
    delay.give(lambda: delay.take_back(other))
    other = delay.give(lambda: called.append(1))
    delay.give(lambda: called.append(2))
    await asyncio.sleep(3 * TICK)
    assert called == [2]


async def test_a_deadline_ends_what_takes_too_long() -> None:
    delay = Delay(TICK)
    with pytest.raises(TimeoutError), Deadline(delay):
        await asyncio.sleep(10)
    with Deadline(delay):
        await asyncio.sleep(0)
    await asyncio.sleep(3 * TICK)  # nobody is cancelled late


async def test_a_deadline_is_not_taken_for_the_cancelling_of_others() -> None:
    delay = Delay(10)

    async def work() -> None:
        with Deadline(delay):
            await asyncio.sleep(10)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_when_both_happen_it_is_cancelled() -> None:
    delay = Delay(TICK)

    async def work() -> None:
        with Deadline(delay):
            try:
                await asyncio.sleep(10)
            finally:
                task.cancel()

    task = asyncio.create_task(work())
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_deadlines_may_be_nested() -> None:
    with pytest.raises(TimeoutError), Deadline(Delay(10)), Deadline(Delay(TICK)):
        await asyncio.sleep(10)
    with pytest.raises(TimeoutError), Deadline(Delay(TICK)), Deadline(Delay(10)):
        await asyncio.sleep(10)
