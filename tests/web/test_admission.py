"""How much is done at once, for all clients and for each."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from gateway.config import LimitSettings
from gateway.core.errors import Overloaded, TooManyRequests
from gateway.web.admission import Admission

SMALL, LARGE = 100, 10_000


def admission(**limits: Any) -> Admission:
    """Make places, with limits that do not matter unless they are given."""
    return Admission(LimitSettings(inline_bytes=SMALL, **limits))


async def settle() -> None:
    """Let all tasks run until they wait."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_places_are_limited_for_all_and_for_each():
    """One client cannot take all places; who finds none is told whether it is his own doing."""
    places = admission(max_requests=3, max_client_requests=2)
    places.enter("a")
    places.enter("a")
    with pytest.raises(TooManyRequests):
        places.enter("a")
    places.enter("b")
    with pytest.raises(Overloaded):
        places.enter("b")
    places.leave("a")
    places.enter("b")

    assert places.requests == 3


def test_nobody_is_remembered():
    """Who has left leaves nothing behind, however many clients there were."""
    places = admission()
    for n in range(100):
        places.enter(str(n))
        places.leave(str(n))

    assert (places.requests, places._by_client) == (0, {})


async def test_small_answers_go_past_large_ones():
    """While large answers fill the lane and its queue, a small one is made at once."""
    places = admission(max_large=1, max_waiting=1)
    async with places.turn("a", LARGE):
        waiting = asyncio.create_task(take(places, "b", LARGE))
        await settle()
        with pytest.raises(Overloaded):
            await take(places, "c", LARGE)
        await take(places, "d", SMALL)
        assert places.waiting == 1
    await waiting

    assert (places.waiting, places.large.requests, places.large.work_bytes) == (0, 0, 0)


async def take(places: Admission, client: str, size: int) -> None:
    """Make an answer in no time."""
    async with places.turn(client, size):
        pass


async def test_who_came_first_is_first():
    """A huge answer waits until there is room for it, and no later one overtakes it."""
    places = admission(max_large_bytes=3 * LARGE)
    order: list[str] = []

    async def make(name: str, size: int) -> None:
        async with places.turn(name, size):
            order.append(name)

    async with AsyncExitStack() as running:
        for client in ("a", "b"):
            await running.enter_async_context(places.turn(client, LARGE))
        tasks = [asyncio.create_task(make("huge", 9 * LARGE))]
        await settle()
        tasks.append(asyncio.create_task(make("late", LARGE)))
        await settle()
        assert order == []
    await asyncio.gather(*tasks)

    assert order == ["huge", "late"]


async def test_one_client_has_its_own_bounds():
    """Beyond its answers or its bytes a client is refused, and others are not."""
    places = admission(max_client_large=2, max_client_large_bytes=3 * LARGE)
    async with places.turn("a", LARGE), places.turn("a", LARGE):
        with pytest.raises(TooManyRequests):
            await take(places, "a", LARGE)
        async with places.turn("b", 2 * LARGE):
            with pytest.raises(TooManyRequests):
                await take(places, "b", 2 * LARGE)
    await take(places, "a", 9 * LARGE)  # larger than the bound: alone

    assert places._large_by_client == {}


async def test_nobody_waits_for_ever():
    """Who has waited too long is refused; the next in the queue gets the turn."""
    places = admission(max_large=1, max_wait_s=0.02)
    async with places.turn("a", LARGE):
        with pytest.raises(Overloaded):
            await take(places, "b", LARGE)
        assert places.waiting == 0
    await take(places, "c", LARGE)


async def test_who_goes_away_leaves_the_queue():
    """Waiting requests that are cancelled, first or later ones, hold up nobody."""
    places = admission(max_large=1)
    async with places.turn("a", LARGE):
        tasks = [asyncio.create_task(take(places, str(n), LARGE)) for n in range(4)]
        await settle()
        tasks[0].cancel()
        tasks[2].cancel()
        await settle()
        assert places.waiting == 2
    ended = await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(each) for each in ended[::2]] == [asyncio.CancelledError] * 2
    assert ended[1::2] == [None, None]
    assert (places.large.requests, places._large_by_client) == (0, {})
