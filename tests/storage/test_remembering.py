"""The memory of versions: no request while it is young, no harm when it is too old."""

import asyncio

import pytest

from gateway.core.errors import NotFound, SourceChanged, TransientFault
from gateway.storage.remembering import RememberingEngine
from tests.storage.engines import FakeEngine


async def test_a_version_that_was_seen_lately_is_not_asked_for():
    """Who opens a file again within its age asks nobody, and other files are not confused."""
    engine = FakeEngine(a=b"abc", b=b"b")
    remembering = RememberingEngine(engine, age_s=60, max_keys=99)
    infos = [await remembering.head(key) for key in "aabab"]

    assert [info.size for info in infos] == [3, 3, 1, 3, 1]
    assert engine.asked == ["head a", "head b"]


async def test_without_an_age_every_version_is_asked_for():
    """An age of 0 remembers nothing."""
    engine = FakeEngine(a=b"abc")
    remembering = RememberingEngine(engine, age_s=0, max_keys=99)
    await remembering.head("a")
    engine.put("a", b"longer")

    assert (await remembering.head("a")).size == 6


async def test_the_memory_is_bounded():
    """Of more objects than may be remembered those that were looked at last are."""
    engine = FakeEngine(a=b"a", b=b"b", c=b"c")
    remembering = RememberingEngine(engine, age_s=60, max_keys=2)
    for key in "abccba":
        await remembering.head(key)

    assert engine.asked == ["head a", "head b", "head c", "head a"]


async def test_a_version_that_has_changed_is_forgotten():
    """A read that is pinned to a version of the past fails, and the next look sees the present."""
    engine = FakeEngine(a=b"abc")
    remembering = RememberingEngine(engine, age_s=60, max_keys=99)
    old = await remembering.head("a")
    engine.put("a", b"longer")

    with pytest.raises(SourceChanged):
        await remembering.get("a", 0, 3, old)
    new = await remembering.head("a")
    assert bytes(await remembering.get("a", 0, 6, new)) == b"longer"


async def test_many_who_ask_at_once_ask_once():
    """A hundred looks at one file are one request, though the first who asked goes away."""
    engine = FakeEngine(a=b"abc")
    engine.gate = asyncio.Event()
    remembering = RememberingEngine(engine, age_s=0, max_keys=99)
    looks = [asyncio.create_task(remembering.head("a")) for _ in range(100)]
    await asyncio.sleep(0)
    looks[0].cancel()
    engine.gate.set()
    infos = await asyncio.gather(*looks[1:])

    assert {info.size for info in infos} == {3}
    assert engine.asked == ["head a"]


async def test_failures_and_absent_files_are_not_remembered():
    """What failed is asked for again, and what was absent may come."""
    engine = FakeEngine(a=b"abc")
    engine.failures = [TransientFault("Refused."), NotFound("Absent.")]
    remembering = RememberingEngine(engine, age_s=60, max_keys=99)
    for expected in (TransientFault, NotFound):
        with pytest.raises(expected):
            await remembering.head("a")

    assert (await remembering.head("a")).size == 3


async def test_all_else_is_passed_on():
    """Listings, probes and the end reach the storage."""
    engine = FakeEngine(a=b"abc")
    remembering = RememberingEngine(engine, age_s=60, max_keys=99)
    await remembering.probe()
    names = [entry.name async for entry in remembering.entries("", "")]
    await remembering.close()

    assert names == ["a"]
    assert engine.asked == ["probe", "list", "close"]
