"""Engines: what reads of a real S3 server cost, by each library that could make them.

All ask one SeaweedFS on this machine, in turn, for the same ranges of one object, all at once: so
the time is the server's and the library's, and the processor's time is the library's alone.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from statistics import median
from time import perf_counter, process_time

import obstore
from obstore.store import HTTPStore
from s3fs import S3FileSystem

from gateway.config import LimitSettings
from gateway.storage.engine import Engine
from gateway.storage.engines import open_engine
from tests.servers import S3Server, run_seaweedfs

_SIZE = 64 * 2**20
_LOADS = {"15 of 1 MiB": (15, 2**20), "200 of 800 B": (200, 800)}
_ROUNDS = 15

Read = Callable[[int, int], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one round."""

    elapsed_ms: float
    cpu_ms: float


async def main() -> None:
    """Measure, and print the table."""
    with run_seaweedfs() as server:
        server.put("public", {"large": bytes(range(256)) * (_SIZE // 256)})
        async with AsyncExitStack() as stack:
            readers = await _make_readers(server, stack)
            print("| | " + " | ".join(f"{load}: ms | CPU ms" for load in _LOADS) + " |")
            print("| --- |" + " --- | --- |" * len(_LOADS))
            costs = {load: await _measure(readers, *shape) for load, shape in _LOADS.items()}
    for name in readers:
        cells = (f"{_median(costs[load][name])}" for load in _LOADS)
        print(f"| {name} | {' | '.join(cells)} |")


async def _make_readers(server: S3Server, stack: AsyncExitStack) -> dict[str, Read]:
    s3fs = S3FileSystem(
        key=server.options["key"],
        secret=server.options["secret"],
        endpoint_url=server.url,
        asynchronous=True,
    )
    session = await s3fs.set_session()
    stack.push_async_callback(session.close)
    url = f"{server.url}/public"
    http = HTTPStore(url, client_options={"allow_http": True})

    async def by_s3fs(start: int, stop: int) -> object:
        return await s3fs._cat_file("public/large", start=start, end=stop)  # noqa: SLF001

    async def by_obstore_http(start: int, stop: int) -> object:
        return await obstore.get_range_async(http, "large", start=start, end=stop)

    return {
        "S3 by s3fs": by_s3fs,
        "S3 by obstore (ours)": await _by_engine("s3://public", server.options, stack),
        "HTTP by obstore": by_obstore_http,
        "HTTP by aiohttp (ours)": await _by_engine(url, {}, stack),
    }


async def _by_engine(url: str, options: dict[str, str], stack: AsyncExitStack) -> Read:
    engine: Engine = open_engine(url, options, LimitSettings())
    stack.push_async_callback(engine.close)
    version = await engine.head("large")

    async def read(start: int, stop: int) -> object:
        return await engine.get("large", start, stop, version)

    return read


async def _measure(readers: dict[str, Read], n_reads: int, size: int) -> dict[str, list[Cost]]:
    """Let all take turns; the first round makes connections and is not counted."""
    found: dict[str, list[Cost]] = {name: [] for name in readers}
    step = (_SIZE - size) // n_reads
    for _ in range(_ROUNDS + 1):
        for name, read in readers.items():
            elapsed, cpu = perf_counter(), process_time()
            await asyncio.gather(*(read(n * step, n * step + size) for n in range(n_reads)))
            elapsed, cpu = perf_counter() - elapsed, process_time() - cpu
            found[name].append(Cost(elapsed * 1000, cpu * 1000))
    return {name: costs[1:] for name, costs in found.items()}


def _median(costs: list[Cost]) -> str:
    elapsed, cpu = median(c.elapsed_ms for c in costs), median(c.cpu_ms for c in costs)
    return f"{elapsed:.0f} | {cpu:.0f}"


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
