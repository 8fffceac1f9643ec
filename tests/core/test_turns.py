"""Turns of tasks that share the event loop."""

from __future__ import annotations

import asyncio

from app.core.turns import Turns


async def test_turns_lets_one_task_go_on_per_iteration_in_order() -> None:
    turns, order, iteration = Turns(), [], 0

    async def take_turns(name: int) -> None:
        for _ in range(3):
            await turns.next()
            order.append((iteration, name))

    tasks = [asyncio.create_task(take_turns(name)) for name in range(5)]
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)  # one iteration
        iteration += 1
    assert [name for _, name in order] == list(range(5)) * 3
    iterations = [number for number, _ in order]
    assert len(set(iterations)) == len(iterations)


async def test_turns_of_cancelled_tasks_are_skipped() -> None:
    turns, done = Turns(), []

    async def take_turn(name: int) -> None:
        await turns.next()
        done.append(name)

    tasks = [asyncio.create_task(take_turn(name)) for name in range(4)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    tasks[2].cancel()
    await asyncio.wait(tasks)
    assert done == [1, 3]
    await asyncio.wait_for(take_turn(9), 60)
    assert done == [1, 3, 9]
