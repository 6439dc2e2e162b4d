"""Pictures: how long previews of a mosaic take, and a PNG beside Pillow's.

Run ``python -m bench.pictures [FOLDER]``; the mosaic of 1.5 GB is made there and kept, or else made
for this run.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from io import BytesIO
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
from PIL import Image

from bench.targets import make_mosaic
from gateway.config import settings_for_source
from gateway.core.colormap import color_table
from gateway.core.picture import encode_picture
from gateway.core.preview_query import parse_preview_query
from gateway.pictures import Pictures
from gateway.service import open_service

_ROUNDS = 9
_TILE = {"width": "256", "cuts": "90,110"}
_QUERIES = {
    "whole, 256 px wide": {"width": "256"},
    "whole, 1000 px wide": {"width": "1000"},
    "a tile of 4096 px, 256 px wide": {
        "center": "6144.5,6144.5px",
        "size": "4096px",
        "width": "256",
    },
    "a tile of 256 px": {"center": "6000.5,6000.5px", "size": "256px", "width": "256"},
}


async def _time(draw: Callable[[], Awaitable[object]]) -> float:
    """Give the median time of some rounds, in milliseconds, once all is in memory."""
    times = []
    for _ in range(_ROUNDS):
        started = perf_counter()
        await draw()
        times.append(1000 * (perf_counter() - started))
    return median(times[1:])


async def _measure_previews(folder: Path) -> None:
    target = make_mosaic(folder)
    settings = settings_for_source(str(folder))
    service = open_service(settings)
    pictures = Pictures(service, settings.limits)
    for title, parameters in _QUERIES.items():
        query = parse_preview_query({"format": "png", **parameters})
        read = []

        async def draw(query=query, read=read) -> None:
            source = await service.open(("ibe", "data", target.path.name))
            drawing = await pictures.plan(source, query, needs_sky=False)
            await pictures.draw(drawing, query)
            read.append(drawing.stored.bytes_read)

        took_ms = await _time(draw)
        cold_mb, warm_mb = read[0] / 1e6, read[-1] / 1e6
        print(f"{title:32} {took_ms:7.1f} ms, {cold_mb:5.1f} MB first, then {warm_mb:4.1f} MB")
    await service.close()


async def _measure_png() -> None:
    rng = np.random.default_rng(1)
    levels = rng.normal(100, 20, (1000, 1000)).clip(1, 255).astype(np.uint8)
    colors = color_table("gray")

    async def ours() -> None:
        encode_picture(levels, colors, "png")

    async def pillow() -> None:
        Image.fromarray(levels).save(BytesIO(), "png")

    print(f"{'PNG of 1000 x 1000, ours':32} {await _time(ours):7.1f} ms")
    print(f"{'PNG of 1000 x 1000, Pillow':32} {await _time(pillow):7.1f} ms")


async def _main(folder: Path) -> None:
    await _measure_previews(folder)
    await _measure_png()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(_main(Path(sys.argv[1])))
    else:
        with TemporaryDirectory(prefix="bench-") as temporary:
            asyncio.run(_main(Path(temporary)))
