"""How many round trips a cutout of a far file takes: ``python -m tests.round_trips``."""

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from gateway.config import CollectionSettings, Settings
from gateway.core.box import BoxRule
from gateway.core.query import parse_query
from gateway.service import Service, open_service
from gateway.storage.archive import Archive, Collection
from tests.rounds import FarEngine, spherex_file
from tests.storage.engines import make_store

QUERY = parse_query({"center": "1000,900px", "size": "200px"})


@dataclass(frozen=True, slots=True)
class Cost:
    """What one cutout took."""

    rounds: int
    """Requests that had to be waited for, one after the other; the first asks for the size."""
    requests: int
    n_bytes: int
    elapsed_s: float
    cutout_bytes: int


def make_service(engine: FarEngine, folder: Path) -> Service:
    """Do what a worker does when it begins."""
    service = open_service(Settings(cache={"dir": folder}))
    settings = CollectionSettings(path="/ibe/data", url="memory://far")
    collection = Collection(settings, make_store(engine), BoxRule.EXACT)
    service.archive = Archive({settings.path: collection})
    return service


async def measure(folder: Path, latency_s: float) -> Mapping[str, Cost]:
    """Make cutouts of two files of seven HDUs, all that can be cut of them."""
    file = spherex_file()
    engine = FarEngine({"a.fits": file, "b.fits": file[:-2880] + bytes(2880)}, latency_s)
    first = make_service(engine, folder)
    costs = {
        "a new file": await _cut(first, engine, "a.fits"),
        "a new file of a known kind": await _cut(first, engine, "b.fits"),
        "a file that was cut before": await _cut(first, engine, "a.fits"),
    }
    second = make_service(engine, folder)
    costs["the same by another worker, or after a restart"] = await _cut(second, engine, "a.fits")
    for service in (first, second):
        await service.close()
    return costs


async def _cut(service: Service, engine: FarEngine, name: str) -> Cost:
    engine.begin()
    started = perf_counter()
    source = await service.open(("ibe", "data", name))
    answer = await service.plan_cutout(source, QUERY)
    size = 0
    async for chunk in service.read_chunks(answer, 0, answer.plan.size):
        size += len(chunk)
    elapsed_s = perf_counter() - started
    return Cost(engine.rounds, len(engine.requests), engine.bytes_read, elapsed_s, size)


def main() -> None:
    """Print a table for a link of 20 ms."""
    with TemporaryDirectory() as folder:
        costs = asyncio.run(measure(Path(folder), 0.02))
    lines = ["| | round trips | requests | MB read | ms |", "| --- | --- | --- | --- | --- |"]
    lines += [
        f"| {name} | {c.rounds} | {c.requests} | {c.n_bytes / 1e6:.2f} | {1000 * c.elapsed_s:.0f} |"
        for name, c in costs.items()
    ]
    sys.stdout.write("\n".join([*lines, ""]))


if __name__ == "__main__":
    main()
