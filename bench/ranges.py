"""Ranges: rows of a cutout from a web server over a link, by requests of one range and of many.

nginx holds a file as long as a mosaic of 9600 x 9600 float32. Both ways read 256 x 256 pixels of
it, in turn, at places of their own, planned by what they learned of the link.
"""

import argparse
import asyncio
import sys
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from gateway.config import LimitSettings
from gateway.core.ranges import Block
from gateway.storage.engines import open_engine
from gateway.storage.http_engine import HttpEngine
from gateway.storage.remote import RemoteStore
from tests.conftest import find_material
from tests.servers import run_link, run_nginx

_SIDE_PX, _CUTOUT_PX = 9600, 256
_WARM_ROUNDS = 3
_LIMITS = LimitSettings(identity_age_s=3600)
_COST_S = 0.0005  # of a request beside its latency, as by default
_NAME = "mosaic.bin"


class OneRangeEngine(HttpEngine):
    """The engine of web servers as it is with one that does not give several ranges."""

    max_ranges = 1


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.ranges", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="cutouts by each way")
    parser.add_argument("--rtt-ms", type=float, default=20)
    parser.add_argument("--mbit", type=float, default=200)
    options = parser.parse_args()
    file = np.random.default_rng(1).bytes(_SIDE_PX * _SIDE_PX * 4)
    material: Path = find_material()
    with (
        run_nginx(material, {_NAME: file}) as server,
        run_link(material, server, rtt_ms=options.rtt_ms, mbit=options.mbit) as port,
    ):
        sys.stdout.write(asyncio.run(_measure(f"http://127.0.0.1:{port}", file, options.rounds)))


async def _measure(url: str, file: bytes, n_rounds: int) -> str:
    rng = np.random.default_rng(7)
    stores = {
        "one range a request": RemoteStore(OneRangeEngine(url, {}, _LIMITS), _LIMITS, _COST_S),
        "many ranges a request": RemoteStore(open_engine(url, {}, _LIMITS), _LIMITS, _COST_S),
    }
    found: dict[str, list[tuple[float, int, int]]] = {name: [] for name in stores}
    for number in range(n_rounds + _WARM_ROUNDS):
        for name, store in stores.items():
            x, y = (int(each) for each in rng.integers(0, _SIDE_PX - _CUTOUT_PX, 2))
            rows = Block((y * _SIDE_PX + x) * 4, _CUTOUT_PX * 4, _SIDE_PX * 4, _CUTOUT_PX)
            stored = await store.open(_NAME)
            started = perf_counter()
            data = await stored.read(rows)
            seconds = perf_counter() - started
            starts = range(rows.start, rows.stop, rows.row_stride)
            if bytes(data) != b"".join(file[n : n + rows.row_bytes] for n in starts):
                raise SystemExit(f"{name} gave wrong bytes")
            if number >= _WARM_ROUNDS:
                found[name].append((seconds, stored.reads, stored.bytes_read))
    for store in stores.values():
        await store.close()
    lines = ["| 256 px by HTTP | requests | kB | ms |", "| --- | ---: | ---: | ---: |"]
    for name, each in found.items():
        seconds, reads, n_bytes = (median(column) for column in zip(*each, strict=True))
        lines.append(f"| {name} | {reads:.0f} | {n_bytes / 1e3:.0f} | {seconds * 1e3:.0f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
