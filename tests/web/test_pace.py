"""However many large answers go on, the event loop comes round, and newcomers come first."""

import asyncio
from collections.abc import AsyncGenerator
from time import perf_counter

from gateway.web.pace import Pace

CHUNK_S = 0.002  # that a chunk takes


async def work(given: list[int], n_chunks: int) -> AsyncGenerator[bytes, None]:
    """Make chunks, each of which keeps the event loop busy for a while."""
    for _ in range(n_chunks):
        end = perf_counter() + CHUNK_S
        while perf_counter() < end:
            pass
        given.append(1)
        yield b"chunk"


async def take(pace: Pace, given: list[int], n_chunks: int = 3) -> list[bytes]:
    """Take all chunks of an answer."""
    return [chunk async for chunk in pace.keep(work(given, n_chunks))]


async def test_many_answers_share_the_rounds():
    """Of ten answers that begin at once, few go on in each round; all come to their end."""
    pace, given, in_rounds = Pace(), [], []
    tasks = [asyncio.create_task(take(pace, given, 20)) for _ in range(10)]
    while not all(task.done() for task in tasks):
        before = len(given)
        await asyncio.sleep(0)
        in_rounds.append(len(given) - before)

    assert [task.result() for task in tasks] == [[b"chunk"] * 20] * 10
    assert max(in_rounds) < 10


async def test_newcomers_are_let_in_first():
    """While each round brings another connection no answer goes on, but not for ever."""
    pace, given = Pace(), []
    task = asyncio.create_task(take(pace, given, 1))
    rounds = 0
    while not task.done():
        pace.arrivals += 1
        rounds += 1
        assert pace.has_newcomers
        await asyncio.sleep(0)

    assert given == [1]
    assert 20 < rounds < 100


async def test_requests_wait_for_newcomers():
    """Requests are let in one after the other when the round has brought nobody new."""
    pace = Pace()
    pace.arrivals = 3
    assert pace.has_newcomers
    await asyncio.gather(*(pace.let_in() for _ in range(5)))

    assert not pace.has_newcomers
