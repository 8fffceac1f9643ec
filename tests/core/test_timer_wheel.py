"""TimerWheel: functions run once, in order, unless they are cancelled."""

from __future__ import annotations

import asyncio

from app.core.timer_wheel import TimerWheel

DELAY_SECONDS = 0.03


async def test_timer_wheel_runs_functions_in_order_after_the_delay() -> None:
    wheel, calls = TimerWheel(DELAY_SECONDS), list[float]()
    loop = asyncio.get_running_loop()
    started_at = loop.time()
    wheel.schedule(lambda: calls.append(1))
    await asyncio.sleep(DELAY_SECONDS / 2)
    wheel.schedule(lambda: calls.append(2))
    wheel.schedule(lambda: calls.append(loop.time() - started_at))
    await asyncio.sleep(4 * DELAY_SECONDS)
    assert calls[:2] == [1, 2]
    assert calls[2] >= 1.5 * DELAY_SECONDS


async def test_timer_wheel_cancel_prevents_the_call() -> None:
    wheel, calls = TimerWheel(DELAY_SECONDS), list[int]()
    first = wheel.schedule(lambda: calls.append(1))
    wheel.schedule(lambda: calls.append(2))
    wheel.cancel(first)
    await asyncio.sleep(3 * DELAY_SECONDS)
    assert calls == [2]
    wheel.cancel(first)  # a second time has no effect


async def test_timer_wheel_restarts_after_it_was_empty() -> None:
    wheel, calls = TimerWheel(DELAY_SECONDS), list[int]()
    for number in range(3):
        wheel.schedule(lambda number=number: calls.append(number))  # type: ignore[misc]
        await asyncio.sleep(3 * DELAY_SECONDS)
    assert calls == [0, 1, 2]


async def test_timer_wheel_function_can_cancel_another() -> None:
    wheel, calls = TimerWheel(DELAY_SECONDS), list[int]()
    other = 1
    wheel.schedule(lambda: wheel.cancel(other))
    other = wheel.schedule(lambda: calls.append(1))
    wheel.schedule(lambda: calls.append(2))
    await asyncio.sleep(3 * DELAY_SECONDS)
    assert calls == [2]
