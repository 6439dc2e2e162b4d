"""Links: a cutout from S3 over three links, beside fixed ways of reading and beside libraries.

A real S3 server (SeaweedFS) holds a mosaic of 9600 x 9600 float32. Links of a given round trip and
bandwidth lie in front of it. All contestants cut 256 x 256 pixels, in turn, at places of their own.
"""

import argparse
import asyncio
import http.client
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
from astrocut import fits_cut
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from s3fs import S3FileSystem

from bench.report import describe_machine
from bench.servers import run_server
from gateway.config import LimitSettings
from gateway.core.ranges import Block, ByteRange
from gateway.storage.engines import open_engine
from tests.conftest import find_material
from tests.servers import run_link, run_seaweedfs

_LINKS = ((20, 0), (20, 200), (80, 1000))  # ms, Mbit/s; 0 is unlimited
_SIDE_PX, _CUTOUT_PX = 9600, 256
_GOAL = 1.4
_WARM_ROUNDS = 2
_NAME = "mosaic.fits"
_FIXED = ("rows in parallel", "one span", "eight parts")

_LOG = logging.getLogger("bench")

Cut = Callable[[int, int], bytes]
"""First column and row, from 0 -> the pixels, big-endian."""


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.links", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="cutouts of each contestant")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the table there, too")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("astrocut").setLevel(logging.WARNING)
    machine = describe_machine()
    file, pixels = _make_mosaic()
    with TemporaryDirectory(prefix="bench-") as folder, run_seaweedfs() as s3:
        _LOG.info("writing the mosaic to S3")
        s3.put("public", {_NAME: file})
        times = [
            _measure_link(link, s3.port, Path(folder), pixels, options.rounds) for link in _LINKS
        ]
    report = f"{machine}\n\n{_table(times)}"
    print(report)
    if options.output:
        options.output.write_text(report)


def _make_mosaic() -> tuple[bytes, np.ndarray]:
    """Make a FITS file of noise; give it and its pixels."""
    noise = np.random.default_rng(1).normal(100, 3, (_SIDE_PX, _SIDE_PX)).astype(">f4")
    buffer = BytesIO()
    fits.PrimaryHDU(noise, _make_wcs().to_header()).writeto(buffer)
    return buffer.getvalue(), noise


def _make_wcs() -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crpix = [_SIDE_PX / 2, _SIDE_PX / 2]
    wcs.wcs.crval = [150.1, 2.2]
    wcs.wcs.cdelt = [-0.1 / 3600, 0.1 / 3600]
    return wcs


def _measure_link(
    link: tuple[int, int], s3_port: int, folder: Path, pixels: np.ndarray, n_rounds: int
) -> dict[str, float]:
    """Give the median time of each contestant, in seconds."""
    rng = np.random.default_rng(7)
    times: dict[str, list[float]] = {}
    with (
        run_link(find_material(), s3_port, rtt_ms=link[0], mbit=link[1]) as port,
        _contestants(f"http://127.0.0.1:{port}", folder) as contestants,
    ):
        for number in range(n_rounds + _WARM_ROUNDS):
            _LOG.info("%d ms, %d Mbit/s: round %d", *link, number)
            for name, cut in contestants.items():
                x, y = (int(each) for each in rng.integers(0, _SIDE_PX - _CUTOUT_PX, 2))
                started = perf_counter()
                found = cut(x, y)
                seconds = perf_counter() - started
                if found != pixels[y : y + _CUTOUT_PX, x : x + _CUTOUT_PX].tobytes():
                    raise SystemExit(f"{name} gave wrong pixels")
                if number >= _WARM_ROUNDS:
                    times.setdefault(name, []).append(seconds)
    return {name: median(each) for name, each in times.items()}


@contextmanager
def _contestants(endpoint: str, folder: Path) -> Iterator[dict[str, Cut]]:
    """Start all ways to make a cutout, over one link."""
    os.environ["AWS_ENDPOINT_URL"] = endpoint  # which astrocut takes no argument for
    S3FileSystem.clear_instance_cache()  # one that is kept has the former link
    options = {"anon": True, "endpoint_url": endpoint}
    config = folder / "gateway.toml"
    config.write_text(
        "[limits]\nidentity_age_s = 3600.0\n"
        '[[collections]]\npath = "/ibe/data/s3"\nurl = "s3://public"\n'
        f'storage_options = {{ anon = true, endpoint_url = "{endpoint}" }}\n'
    )
    serve = ("serve", "--config", str(config), "--port", "0", "--workers", "1")
    with ExitStack() as stack:
        gateway = stack.enter_context(run_server("gateway", *serve, log=folder / "gateway.log"))
        host = gateway.url.removeprefix("http://").rstrip("/")
        connection = stack.enter_context(closing(http.client.HTTPConnection(host)))
        runner = stack.enter_context(asyncio.Runner())
        engine = open_engine("s3://public", options, LimitSettings())
        info = runner.run(engine.head(_NAME))

        def read(ranges: Sequence[ByteRange]) -> bytes:
            async def read_all() -> list[bytes]:
                reads = (engine.get(_NAME, each.start, each.stop, info) for each in ranges)
                return [bytes(data) for data in await asyncio.gather(*reads)]

            return b"".join(runner.run(read_all()))

        yield {
            "gateway": lambda x, y: _cut_by_gateway(connection, x, y),
            **{way: lambda x, y, way=way: _cut_fixed(way, read, x, y) for way in _FIXED},
            "astropy, `use_fsspec`": lambda x, y: _cut_by_astropy(options, x, y),
            "astrocut, `fits_cut`": _cut_by_astrocut,
        }


def _cut_by_gateway(connection: http.client.HTTPConnection, x: int, y: int) -> bytes:
    center = f"{x + _CUTOUT_PX // 2 + 0.5},{y + _CUTOUT_PX // 2 + 0.5}px"
    path = f"/ibe/data/s3/{_NAME}?center={center}&size={_CUTOUT_PX}px&gzip=0"
    connection.request("GET", path)
    with connection.getresponse() as answer:
        data = answer.read()
    with fits.open(BytesIO(data)) as hdus:
        return hdus[0].data.tobytes()


def _cut_fixed(way: str, read: Callable[[Sequence[ByteRange]], bytes], x: int, y: int) -> bytes:
    """Read in one way, whatever the link is."""
    stride = _SIDE_PX * 4
    block = Block(2880 + y * stride + x * 4, _CUTOUT_PX * 4, stride, _CUTOUT_PX)
    span = block.span
    if way == "rows in parallel":
        return read([block.rows(n, n + 1).span for n in range(_CUTOUT_PX)])
    n_parts = 1 if way == "one span" else 8
    ends = [span.start + span.size * n // n_parts for n in range(n_parts + 1)]
    data = read([ByteRange(*each) for each in pairwise(ends)])
    rows = np.ndarray((_CUTOUT_PX, _CUTOUT_PX * 4), np.uint8, data, 0, (stride, 1))
    return rows.tobytes()


def _cut_by_astropy(options: dict[str, object], x: int, y: int) -> bytes:
    """Cut as the documentation of `use_fsspec` does."""
    with fits.open(f"s3://public/{_NAME}", use_fsspec=True, fsspec_kwargs=options) as hdus:
        section = hdus[0].section[y : y + _CUTOUT_PX, x : x + _CUTOUT_PX]
    return section.astype(">f4").tobytes()


def _cut_by_astrocut(x: int, y: int) -> bytes:
    """Cut as astrocut does; it takes centres on the sky."""
    middle = _CUTOUT_PX / 2  # for it, an even cutout has its centre behind the middle
    center = SkyCoord(*_make_wcs().all_pix2world(x + middle, y + middle, 0), unit="deg")
    cutout = fits_cut([f"s3://public/{_NAME}"], center, _CUTOUT_PX, memory_only=True)[0]
    return cutout[-1].data.astype(">f4").tobytes()


def _table(times: Sequence[dict[str, float]]) -> str:
    """Tell milliseconds, and how much longer each took than the best fixed way."""
    titles = [f"{ms} ms, {f'{mbit} Mbit/s' if mbit else 'unlimited'}" for ms, mbit in _LINKS]
    lines = [f"| 256 px from S3 | {' | '.join(titles)} |", "| --- |" + " ---: |" * len(titles)]
    best = [min(each[way] for way in _FIXED) for each in times]
    for name in times[0]:
        cells = [
            f"{each[name] * 1000:.0f} ms · {each[name] / least:.2f}"
            for each, least in zip(times, best, strict=True)
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    reached = [each["gateway"] <= _GOAL * least for each, least in zip(times, best, strict=True)]
    verdicts = " | ".join("reached" if each else "missed" for each in reached)
    lines.append(f"| *at most {_GOAL} of the best fixed way* | {verdicts} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
