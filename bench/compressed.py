"""Compressed: 256 pixels of gzipped and of tile-compressed parents, beside the libraries.

Run ``python -m bench.compressed [FOLDER]``; the files are made there and kept, or else made for
this run. ``--large`` adds a gzip file of 1.4 GB.
"""

import argparse
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from urllib.parse import urlsplit

import fitsio
import numpy as np
from astrocut import fits_cut
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from bench.load import Cutouts, measure
from bench.parents import make_gzipped, make_tiled
from bench.servers import Server, run_server
from bench.targets import Centers

_CUTOUT_PX = 256
_GZIP_PX = {"370 MB": 9600, "1.4 GB": 18_900}
_SMALL_PX = 720  # 2 MB
_TILED_PX = 4000
_TILED = {
    "RICE_1, 100x100": ("RICE_1", (100, 100), "i2"),
    "RICE_1, a tile a row": ("RICE_1", (1, _TILED_PX), "i2"),
    "GZIP_2, 100x100": ("GZIP_2", (100, 100), "i2"),
    "HCOMPRESS_1, 100x100": ("HCOMPRESS_1", (100, 100), "i2"),
    "PLIO_1 of noise, 100x100": ("PLIO_1", (100, 100), "i2"),
    "RICE_1 of float32, 100x100": ("RICE_1", (100, 100), "f4"),
}
_ROUNDS, _WARM_ROUNDS = 15, 3
_CAP_S = 100
_GOAL_MS = 1.0  # that the gateway may take longer than fitsio, for tiles
_GOAL_OF_FLOOR = 0.3
_LOAD_S, _N_FLOOR = 5, 64

Cut = Callable[[Path, int, int], np.ndarray]
"""File, first column and row from 0 -> pixels."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a cutout took."""

    seconds: float
    n_bytes: int
    """That were read; those of mapped files are not counted."""


def cut_by_fitsio(path: Path, x: int, y: int) -> np.ndarray:
    """Open a file by CFITSIO, and read a section."""
    with fitsio.FITS(str(path)) as file:
        hdu = file[0] if file[0].has_data() else file[1]
        return hdu[y : y + _CUTOUT_PX, x : x + _CUTOUT_PX]


def cut_by_astropy(path: Path, x: int, y: int) -> np.ndarray:
    """Read a section of tiles; a gzip file is faster inflated as a whole."""
    with fits.open(path) as hdus:
        hdu = hdus[-1]
        pixels = hdu.data if path.suffix == ".gz" else hdu.section
        return np.array(pixels[y : y + _CUTOUT_PX, x : x + _CUTOUT_PX])


def cut_by_astrocut(path: Path, x: int, y: int) -> np.ndarray:
    """Cut as astrocut does; it takes centres on the sky."""
    with fits.open(path) as hdus:
        sky = WCS(hdus[-1].header)
    middle = _CUTOUT_PX / 2  # for it, an even cutout has its centre behind the middle
    center = SkyCoord(*sky.all_pix2world(x + middle, y + middle, 0), unit="deg")
    return fits_cut([str(path)], center, _CUTOUT_PX, memory_only=True)[0][-1].data


LIBRARIES: dict[str, Cut] = {
    "fitsio": cut_by_fitsio,
    "astropy": cut_by_astropy,
    "astrocut": cut_by_astrocut,
}


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.compressed", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="where the files are kept")
    parser.add_argument("--large", action="store_true", help="a gzip file of 1.4 GB, too")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="bench-") as scratch:
        folder = options.folder or Path(scratch, "files")
        os.environ["IBE_GATEWAY_CACHE__DIR"] = str(Path(scratch, "cache"))
        Path(scratch, "cache").mkdir()
        _print_load("tiles")
        print(_measure_tiles(folder, Path(scratch)), flush=True)
        _print_load("small gzip")
        print(_measure_small(folder, Path(scratch)), flush=True)
        for title in list(_GZIP_PX)[: 2 if options.large else 1]:
            _print_load(f"gzip, {title}")
            print(_measure_gzip(folder, Path(scratch), title), flush=True)


def _print_load(title: str) -> None:
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    print(f"{title}: load average before: {load}\n", flush=True)


def _measure_tiles(folder: Path, scratch: Path) -> str:
    rows = []
    with _gateway(folder, scratch) as server:
        for title, (codec, tile, dtype) in _TILED.items():
            path = make_tiled(folder, _TILED_PX, codec, tile, dtype)
            contestants = {"gateway": _asker(server), **dict.fromkeys(LIBRARIES)}
            times: dict[str, list[Taken]] = {name: [] for name in contestants}
            for x, y in _corners(_TILED_PX, _ROUNDS + _WARM_ROUNDS):
                found = {}
                for name, ask in contestants.items():
                    taken, found[name] = (ask or _timed(LIBRARIES[name]))(path, x, y)
                    times[name].append(taken)
                _compare(found)
            rows.append((title, {n: _median(each[_WARM_ROUNDS:]) for n, each in times.items()}))
    lines = _heads("256 px of 4000x4000", *LIBRARIES, "gateway minus fitsio")
    for title, taken in rows:
        more_ms = 1000 * (taken["gateway"].seconds - taken["fitsio"].seconds)
        verdict = "reached" if more_ms <= _GOAL_MS else "missed"
        cells = [_cell(each) for each in taken.values()]
        lines.append(f"| {title} | {' | '.join(cells)} | {more_ms:.1f} ms: {verdict} |")
    return "\n".join(lines) + "\n"


def _measure_small(folder: Path, scratch: Path) -> str:
    """Load the gateway, and a server that has the cutouts already, by turns."""
    path, pixels = make_gzipped(folder, _SMALL_PX)
    ready = scratch / "ready" / "small"
    ready.mkdir(parents=True)
    for number, (x, y) in enumerate(_corners(_SMALL_PX, _N_FLOOR)):
        part = pixels[y : y + _CUTOUT_PX, x : x + _CUTOUT_PX]
        fits.PrimaryHDU(part.astype("f4")).writeto(ready / f"{number}.fits")
    span = (_CUTOUT_PX / 2 + 1, _SMALL_PX - _CUTOUT_PX / 2 - 1)
    ours = Cutouts(f"/ibe/data/{path.name}", Centers(span, span, "px"), _CUTOUT_PX, gzip=False)
    same = Cutouts("/plain/small", ours.centers, _CUTOUT_PX, gzip=False)
    rates: list[tuple[float, float]] = []
    with (
        _gateway(folder, scratch) as gateway,
        run_server("bench.floor", str(ready.parent), log=scratch / "floor.log") as floor,
    ):
        for seed in range(1, 4):
            own = measure(gateway, ours, seconds=_LOAD_S, seed=seed)
            least = measure(floor, same, seconds=_LOAD_S, seed=seed)
            rates.append((own.per_s, least.per_s))
    ratios = [own / least for own, least in rates]
    own, least = (median(each) for each in zip(*rates, strict=True))
    n_reached = sum(ratio >= _GOAL_OF_FLOOR for ratio in ratios)
    verdict = {0: "missed", len(ratios): "reached"}.get(n_reached, "unclear")
    return (
        "| 256 px of 2 MB | gateway, 1/s | floor, 1/s | ratio | in the rounds | target |\n"
        "| --- | --- | --- | --- | --- | --- |\n"
        f"| `.fits.gz`, warm | {own:.0f} | {least:.0f} | **{own / least:.2f}** "
        f"| {min(ratios):.2f} to {max(ratios):.2f} | {_GOAL_OF_FLOOR}: {verdict} |\n"
    )


def _measure_gzip(folder: Path, scratch: Path, title: str) -> str:
    side = _GZIP_PX[title]
    path, pixels = make_gzipped(folder, side)
    asked = {"first": 1, "warm": _ROUNDS, "after a restart, first": 1, "after a restart, warm": 5}
    taken: dict[str, list[Taken]] = {}
    corners = _corners(side, sum(asked.values()))
    for names in (list(asked)[:2], list(asked)[2:]):
        with _gateway(folder, scratch) as server:
            ask = _asker(server)
            for name in names:
                for _, (x, y) in zip(range(asked[name]), corners, strict=False):
                    each, found = ask(path, x, y)
                    _compare({"file": pixels[y:, x:][:_CUTOUT_PX, :_CUTOUT_PX], "gateway": found})
                    taken.setdefault(name, []).append(each)
    lines = [f"| 256 px of {title} | time, bytes read |", "| --- | --- |"]
    lines += [f"| gateway, {name} | {_cell(_median(each))} |" for name, each in taken.items()]
    warm_s = _median(taken["warm"]).seconds
    for name, cut in LIBRARIES.items():
        each = _capped(cut, path, side // 3, side // 2)
        ratio = f", {(each.seconds if each else _CAP_S) / warm_s:.0f} times the gateway's, warm"
        cell = _cell(each) if each else f"ended after {_CAP_S} s"
        lines.append(f"| {name} | {cell}{ratio if each else ''} |")
    return "\n".join(lines) + "\n"


@contextmanager
def _gateway(folder: Path, scratch: Path) -> Iterator[Server]:
    folder.mkdir(parents=True, exist_ok=True)
    log = scratch / "gateway.log"
    with run_server("gateway", "serve", "--port", "0", str(folder), log=log) as server:
        yield server


def _asker(server: Server) -> Callable[[Path, int, int], tuple[Taken, np.ndarray]]:
    """Ask over one connection, as browsers and scripts do."""
    connection = HTTPConnection(urlsplit(server.url).netloc)

    def ask(path: Path, x: int, y: int) -> tuple[Taken, np.ndarray]:
        middle = f"{x + (_CUTOUT_PX + 1) / 2},{y + (_CUTOUT_PX + 1) / 2}px"
        query = f"center={middle}&size={_CUTOUT_PX}px&gzip=false"
        started = perf_counter()
        connection.request("GET", f"/ibe/data/{path.name}?{query}")
        answer = connection.getresponse()
        body = answer.read()
        seconds = perf_counter() - started
        if answer.status != 200:
            raise SystemExit(body.decode())
        work = re.search(r"(\d+) bytes", answer.headers["Server-Timing"])
        with fits.HDUList.fromstring(body) as hdus:
            return Taken(seconds, int(work[1]) if work else 0), hdus[-1].data

    return ask


def _timed(cut: Cut) -> Callable[[Path, int, int], tuple[Taken, np.ndarray]]:
    def measured(path: Path, x: int, y: int) -> tuple[Taken, np.ndarray]:
        before, started = _read_bytes(), perf_counter()
        pixels = cut(path, x, y)
        return Taken(perf_counter() - started, _read_bytes() - before), pixels

    return measured


def _read_bytes() -> int:
    """Give how many bytes this process has read."""
    return int(Path("/proc/self/io").read_text().split()[1])


def _capped(cut: Cut, path: Path, x: int, y: int) -> Taken | None:
    """Cut in a process of its own; None if it takes too long."""
    context = get_context("spawn")
    queue = context.SimpleQueue()
    process = context.Process(target=_put, args=(queue, cut, path, x, y))
    process.start()
    process.join(_CAP_S)
    if process.is_alive():
        process.kill()
        return None
    return queue.get()


def _put(queue, cut: Cut, path: Path, x: int, y: int) -> None:
    queue.put(_timed(cut)(path, x, y)[0])


def _corners(side: int, count: int) -> Iterator[tuple[int, int]]:
    corners = np.random.default_rng(7).integers(0, side - _CUTOUT_PX, (count, 2))
    return iter([(x, y) for x, y in corners.tolist()])


def _compare(found: dict[str, np.ndarray]) -> None:
    """End the program if pixels differ from those of the first."""
    first = next(iter(found.values()))
    for name, pixels in found.items():
        if not np.array_equal(pixels, first):
            raise SystemExit(f"{name} gave other pixels.")


def _median(taken: Sequence[Taken]) -> Taken:
    n_bytes = int(median(each.n_bytes for each in taken))
    return Taken(median(each.seconds for each in taken), n_bytes)


def _heads(title: str, *others: str) -> list[str]:
    heads = (title, "gateway", *others)
    return [f"| {' | '.join(heads)} |", "| --- |" + " --- |" * (len(heads) - 1)]


def _cell(taken: Taken) -> str:
    """Write a time and bytes."""
    time = f"{taken.seconds:.1f} s" if taken.seconds >= 1 else f"{1000 * taken.seconds:.1f} ms"
    return f"{time}, {float(f'{taken.n_bytes / 1e6:.2g}'):g} MB"


if __name__ == "__main__":
    main()
