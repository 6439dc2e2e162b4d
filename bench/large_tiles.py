"""Large tiles: large cutouts of tile-compressed parents, beside CFITSIO in its own process.

Run ``python -m bench.large_tiles [FOLDER]``; the files are made there and kept, or else made for
this run.
"""

import argparse
import os
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from urllib.parse import urlsplit

import fitsio
import numpy as np
from astropy.io import fits

from bench.parents import make_tiled
from bench.servers import Server, run_server
from gateway.web.gzip import deflate

_SIDE_PX = 4000
_CUTOUTS = {
    "4000 px of RICE_1, 100x100": (4000, "RICE_1", (100, 100)),
    "4000 px of RICE_1, a tile a row": (4000, "RICE_1", (1, _SIDE_PX)),
    "2000 px of HCOMPRESS_1, 100x100": (2000, "HCOMPRESS_1", (100, 100)),
    "2000 px of PLIO_1 of noise, 100x100": (2000, "PLIO_1", (100, 100)),
}
_ROUNDS = 5


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.large_tiles", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="where the files are kept")
    options = parser.parse_args()
    print(f"load average before: {', '.join(f'{each:.1f}' for each in os.getloadavg())}\n")
    with TemporaryDirectory(prefix="bench-") as scratch:
        folder = options.folder or Path(scratch, "files")
        folder.mkdir(parents=True, exist_ok=True)
        os.environ["IBE_GATEWAY_CACHE_DIR"] = str(Path(scratch, "cache"))
        Path(scratch, "cache").mkdir()
        log = Path(scratch, "gateway.log")
        print("| from 4000x4000 | gateway, plain | fitsio | gateway, gzip | fitsio and gzip |")
        print("| --- | --- | --- | --- | --- |")
        with run_server("gateway", "serve", "--port", "0", str(folder), log=log) as server:
            for title, (size, codec, tile) in _CUTOUTS.items():
                path = make_tiled(folder, _SIDE_PX, codec, tile, "i2")
                cells = (f"{each * 1000:.0f} ms" for each in _measure(server, path, size))
                print(f"| {title} | {' | '.join(cells)} |", flush=True)


def _measure(server: Server, path: Path, size: int) -> list[float]:
    """Give the seconds that each way takes: the median of some rounds, all by turns."""
    first = (_SIDE_PX - size) // 2
    box = slice(first, first + size)
    connection = HTTPConnection(urlsplit(server.url).netloc)

    def ask(gzip: str) -> bytes:
        query = f"center={first + (size + 1) / 2},{first + (size + 1) / 2}px&size={size}px"
        connection.request("GET", f"/ibe/data/{path.name}?{query}&gzip={gzip}")
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise SystemExit(body.decode())
        return body

    def cut() -> np.ndarray:
        with fitsio.FITS(str(path)) as file:
            return file[1][box, box]

    with fits.HDUList.fromstring(ask("false")) as hdus:
        if not np.array_equal(hdus[-1].data, cut()):
            raise SystemExit("fitsio gave other pixels.")
    ways = (lambda: ask("false"), cut, lambda: ask("true"), lambda: deflate(cut().byteswap()))
    rounds = [[_time(way) for way in ways] for _ in range(_ROUNDS)]
    return [median(times) for times in zip(*rounds, strict=True)]


def _time(way: Callable[[], object]) -> float:
    started = perf_counter()
    way()
    return perf_counter() - started


if __name__ == "__main__":
    main()
