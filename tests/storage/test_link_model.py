"""The link model: what is learned from reads, with a clock that is set by hand."""

import asyncio

import pytest

from gateway.core.errors import StorageUnavailable
from gateway.storage.link_model import LinkModel

MIB = 2**20


class FakeLink:
    """A link with a latency and a bandwidth, and reads in the time of a clock of its own."""

    def __init__(self, latency_s: float, bytes_per_s: float) -> None:
        self.latency_s = latency_s
        self.bytes_per_s = bytes_per_s
        self.now = 1000.0
        self.model = LinkModel(0.001, 64, lambda: self.now)

    async def read(self, *sizes: int, wait_s: float = 0.0) -> None:
        """Read at once; the reads end in their order, as the bandwidth allows."""
        started = self.now
        gates = [asyncio.Event() for _ in sizes]

        async def give(gate: asyncio.Event, size: int) -> bytes:
            await gate.wait()
            return bytes(size)

        tasks = [
            asyncio.create_task(self.model.watch(give(gate, size)))
            for gate, size in zip(gates, sizes, strict=True)
        ]
        await asyncio.sleep(0)
        done_bytes = 0
        for gate, task, size in zip(gates, tasks, sizes, strict=True):
            done_bytes += size
            self.now = started + self.latency_s + done_bytes / self.bytes_per_s + wait_s
            gate.set()
            await task


def test_what_is_not_known_is_assumed():
    """A store that was never read has the costs of one in the same region."""
    link = LinkModel(0.001, 64).link

    assert (link.latency_s, link.bytes_per_s) == (0.03, 100e6)
    assert (link.request_s, link.at_once) == (0.001, 64)


@pytest.mark.parametrize(
    ("latency_s", "bytes_per_s"), [(0.02, 25e6), (0.08, 125e6), (0.02, 2e9), (0.001, 1e6)]
)
async def test_a_link_is_learned(latency_s: float, bytes_per_s: float):
    """Some small reads tell the latency, some long ones the bandwidth."""
    link = FakeLink(latency_s, bytes_per_s)
    await link.read(10, 20, 30)
    await link.read(*[MIB] * 9)

    assert link.model.link.latency_s == pytest.approx(latency_s, rel=0.1)
    assert link.model.link.bytes_per_s == pytest.approx(bytes_per_s, rel=0.3)


async def test_many_small_reads_do_not_tell_a_bandwidth():
    """Rows that are read by requests of their own are bounded by requests, not by bytes."""
    link = FakeLink(0.02, 1e6)
    await link.read(*[1024] * 4096)

    assert link.model.link.bytes_per_s == 100e6


async def test_an_odd_period_changes_nothing():
    """One read that was stuck is not what reads cost."""
    link = FakeLink(0.02, 50e6)
    for _ in range(3):
        await link.read(1000)
        await link.read(*[MIB] * 4)
    before = link.model.link
    await link.read(1000, wait_s=5)
    await link.read(*[MIB] * 4, wait_s=5)

    assert link.model.link.latency_s == pytest.approx(before.latency_s, rel=0.01)
    assert link.model.link.bytes_per_s == pytest.approx(before.bytes_per_s, rel=0.01)


async def test_a_change_is_followed():
    """A link that has become narrow and far is known as that after some reads."""
    link = FakeLink(0.001, 500e6)
    for _ in range(8):
        await link.read(1000)
        await link.read(*[MIB] * 4)
    link.latency_s, link.bytes_per_s = 0.1, 10e6
    for _ in range(5):
        await link.read(1000)
        await link.read(*[MIB] * 4)

    assert link.model.link.latency_s == pytest.approx(0.1, rel=0.1)
    assert link.model.link.bytes_per_s == pytest.approx(10e6, rel=0.1)


async def test_a_bandwidth_is_forgotten():
    """After ten minutes without long reads the link may have become wide: it is tried anew."""
    link = FakeLink(0.02, 1e6)
    await link.read(1000)
    await link.read(*[MIB] * 4)
    assert link.model.link.bytes_per_s < 2e6
    link.now += 601

    assert link.model.link.bytes_per_s == 100e6
    assert link.model.link.latency_s == pytest.approx(0.02, rel=0.1)


async def test_a_failed_read_teaches_nothing():
    """An error that comes at once is no short latency; the reads after it are looked at anew."""
    link = FakeLink(0.02, 50e6)

    async def fail() -> bytes:
        raise StorageUnavailable("no")

    for _ in range(20):
        with pytest.raises(StorageUnavailable):
            await link.model.watch(fail())
    await link.read(1000)

    assert link.model.link.latency_s == pytest.approx(0.02, rel=0.01)


async def test_a_store_that_is_never_idle_is_learned():
    """Reads that follow each other without a pause are looked at a second at a time."""
    link = FakeLink(0.02, 50e6)
    gate = asyncio.Event()

    async def stay() -> bytes:
        await gate.wait()
        return b"x"

    background = asyncio.create_task(link.model.watch(stay()))
    await asyncio.sleep(0)
    for _ in range(20):
        await link.read(1000, *[MIB] * 8)
    learned = link.model.link
    gate.set()
    await background

    assert learned.latency_s == pytest.approx(0.02, rel=0.1)
    assert learned.bytes_per_s == pytest.approx(50e6, rel=0.3)
