"""Failures of a storage: which are tried again, for how long, and when it is left alone."""

import asyncio
from time import monotonic

import pytest

from gateway.config import LimitSettings
from gateway.core.errors import (
    AccessRefused,
    ArchiveError,
    GatewayError,
    NotFound,
    ShortRead,
    SourceChanged,
    StorageDown,
    StorageTimeout,
    StorageUnavailable,
    TransientFault,
)
from gateway.storage.resilient import ResilientEngine
from tests.storage.engines import FakeEngine

PASSES = [TransientFault("Refused."), StorageTimeout("Slow.")]
STAYS = [
    NotFound("Absent."),
    AccessRefused("Wrong key."),
    SourceChanged("Replaced."),
    ShortRead("Other bytes."),
    StorageUnavailable("Nonsense."),
]


def wrap(engine: FakeEngine, **limits: float) -> ResilientEngine:
    """Wrap an engine."""
    return ResilientEngine(engine, LimitSettings.model_validate(limits))


@pytest.mark.parametrize("failure", PASSES, ids=lambda error: type(error).__name__)
async def test_what_may_pass_is_tried_again(failure: ArchiveError):
    """A request that failed for a while is answered in the end, and all tries are counted."""
    engine = FakeEngine(a=b"abc")
    engine.failures = [failure, failure]
    resilient = wrap(engine)

    assert (await resilient.head("a")).size == 3
    assert engine.asked == ["head a"] * 3
    assert (resilient.tally.tries, resilient.tally.retries, resilient.tally.failures) == (
        3,
        2,
        2,
    )


@pytest.mark.parametrize("failure", STAYS, ids=lambda error: type(error).__name__)
async def test_what_stays_wrong_is_told_at_once(failure: GatewayError):
    """Nothing is asked twice that would be answered the same."""
    engine = FakeEngine(a=b"abc")
    engine.failures = [failure]

    with pytest.raises(type(failure)):
        await wrap(engine).head("a")
    assert engine.asked == ["head a"]


async def test_tries_are_bounded_in_number():
    """After the last try the error is told."""
    engine = FakeEngine(a=b"abc")
    engine.failures = [TransientFault("Refused.")] * 9

    with pytest.raises(TransientFault):
        await wrap(engine, storage_tries=3).head("a")
    assert engine.asked == ["head a"] * 3


async def test_tries_are_bounded_in_time():
    """A server that hangs is given up when the time is over, after several tries."""
    engine = FakeEngine(a=b"abc")
    engine.gate = asyncio.Event()
    started = monotonic()

    with pytest.raises(StorageTimeout):
        await wrap(engine, storage_timeout_s=0.5, storage_try_s=0.1).head("a")
    assert len(engine.asked) > 1
    assert monotonic() - started < 2


async def test_the_wish_of_a_storage_to_wait_is_kept():
    """Retry-After is waited for, if there is time; else it is passed on."""
    engine = FakeEngine(a=b"abc")
    engine.failures = [TransientFault("Busy.", 0.2), TransientFault("Busy.", 100)]
    resilient, started = wrap(engine), monotonic()

    with pytest.raises(StorageDown) as caught:
        await resilient.head("a")
    assert caught.value.retry_after_s == 100
    assert engine.asked == ["head a"] * 2
    assert 0.2 <= monotonic() - started < 10


async def test_a_listing_goes_on_where_it_failed():
    """No entry is given twice or left out, wherever the storage fails."""
    engine = FakeEngine(a=b"", b=b"", c=b"", d=b"")
    fault = TransientFault("Cut.")
    engine.failures = [fault, None, None, None, fault, None, None, None]
    listed = [entry.name async for entry in wrap(engine).entries("")]

    assert listed == ["a", "b", "c", "d"]
    assert engine.failures == []


async def test_a_dead_storage_is_left_alone():
    """After some failures in a row nobody waits for it; one asks after a rest, then all may."""
    engine = FakeEngine(a=b"abc")
    engine.failures = [TransientFault("Refused.")] * 4
    resilient = wrap(engine, storage_tries=1, storage_failures=3, storage_rest_s=0.2)
    for _ in range(3):
        with pytest.raises(TransientFault):
            await resilient.head("a")
    with pytest.raises(StorageDown) as caught:
        await resilient.get("a", 0, 1, None)

    assert 0 < caught.value.retry_after_s <= 0.2
    assert len(engine.asked) == 3
    await asyncio.sleep(0.2)
    with pytest.raises(TransientFault):  # the one that tries
        await resilient.head("a")
    with pytest.raises(StorageDown):
        await resilient.head("a")
    await asyncio.sleep(0.2)
    await resilient.probe()
    assert (await resilient.head("a")).size == 3


async def test_an_absent_file_is_an_answer():
    """A storage that says no is alive: only failures in a row count."""
    engine = FakeEngine(a=b"abc")
    engine.failures = [TransientFault("Refused."), NotFound("Absent.")] * 5
    resilient = wrap(engine, storage_tries=1, storage_failures=2)
    for expected in [TransientFault, NotFound] * 5:
        with pytest.raises(expected):
            await resilient.head("a")
    await resilient.close()

    assert engine.asked == ["head a"] * 10 + ["close"]
