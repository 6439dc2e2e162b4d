"""Requests that take too long are ended, and no others."""

import asyncio
import gc
from contextvars import ContextVar
from weakref import ref

import pytest

from gateway.web.deadlines import Deadlines

SOON_S = 0.02
NEVER = asyncio.Event


async def run(deadlines: Deadlines, work: asyncio.Event) -> bool:
    """Wait for work within the time; tell whether it was too late."""
    task = asyncio.current_task()
    assert task is not None
    deadlines.begin(task)
    try:
        await work.wait()
    except asyncio.CancelledError:
        if deadlines.end(task):
            return True
        raise
    return deadlines.end(task)


async def test_what_takes_too_long_is_cancelled():
    """Work without an end is ended, one after the other as they began."""
    deadlines = Deadlines(SOON_S)
    async with asyncio.timeout(10):
        assert await asyncio.gather(*(run(deadlines, NEVER()) for _ in range(3))) == [True] * 3


async def test_what_ends_in_time_is_left_alone():
    """A task that ended is not cancelled later, though one that began with it is."""
    deadlines, done = Deadlines(SOON_S), asyncio.Event()
    done.set()
    async with asyncio.timeout(10):
        results = await asyncio.gather(run(deadlines, done), run(deadlines, NEVER()))

    assert results == [False, True]


async def test_the_watch_holds_nothing_of_a_request():
    """What the first of many was about is let go with it: its file may have been deleted."""
    deadlines, about, done = Deadlines(3600), ContextVar[set[str]]("about"), asyncio.Event()
    done.set()

    async def ask() -> ref[set[str]]:
        about.set(set())
        await run(deadlines, done)
        return ref(about.get())

    file = await asyncio.create_task(ask())
    await asyncio.sleep(0)
    gc.collect()
    assert file() is None


async def test_the_watch_goes_on():
    """After a quiet time, and after one late task, the next late one is ended, too."""
    deadlines = Deadlines(SOON_S)
    async with asyncio.timeout(10):
        assert await run(deadlines, NEVER())
        assert await run(deadlines, NEVER())


async def test_a_cancellation_by_another_is_no_lateness():
    """Who is cancelled by someone else is not told that it was late."""
    deadlines = Deadlines(60)
    task = asyncio.create_task(run(deadlines, NEVER()))
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert not deadlines.end(task)


async def test_a_task_that_was_late_can_go_on():
    """Being late leaves no cancellation behind that a later wait would take for its own."""
    deadlines = Deadlines(SOON_S)
    task = asyncio.current_task()
    assert task is not None
    async with asyncio.timeout(10):
        assert await run(deadlines, NEVER())
        assert task.cancelling() == 0
        await asyncio.sleep(0)
