"""Parents: gzipped and tile-compressed images of noise, made once in a folder."""

import gzip
import shutil
from pathlib import Path

import numpy as np
from astropy.io import fits

_STRIP_ROWS = 256


def make_gzipped(folder: Path, side: int) -> tuple[Path, np.ndarray]:
    """Make a gzip file of noise, as of a sky, and the same plain; give it and its pixels."""
    plain = folder / f"sky-{side}.fits"
    packed = plain.with_suffix(".fits.gz")
    if not packed.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _write_noise(plain, side)
        with plain.open("rb") as source, gzip.open(packed, "wb", 6) as target:
            shutil.copyfileobj(source, target, 2**20)
    start = fits.getheader(plain).tostring()
    return packed, np.memmap(plain, ">f4", "r", len(start), (side, side))


def _write_noise(path: Path, side: int) -> None:
    header = fits.Header([("SIMPLE", True), ("BITPIX", -32), ("NAXIS", 2)])
    header.extend([("NAXIS1", side), ("NAXIS2", side), *_sky_cards(side)])
    rng = np.random.default_rng(1)
    with path.open("wb") as file:
        file.write(header.tostring().encode())
        for first in range(0, side, _STRIP_ROWS):
            shape = (min(_STRIP_ROWS, side - first), side)
            noise = 100 + 3 * rng.standard_normal(shape, np.float32)
            file.write(noise.astype(">f4").tobytes())
        file.write(bytes(-file.tell() % 2880))


def make_tiled(folder: Path, side: int, codec: str, tile: tuple[int, int], dtype: str) -> Path:
    """Make a tile-compressed image of noise."""
    path = folder / f"{codec.lower()}-{tile[0]}-{dtype}.fits.fz"
    if not path.exists():
        noise = np.random.default_rng(1).normal(1000, 12, (side, side)).astype(dtype)
        header = fits.Header(_sky_cards(side))
        seed = {"dither_seed": 1} if dtype == "f4" else {}
        options = {"compression_type": codec, "tile_shape": tile, **seed}
        fits.CompImageHDU(noise, header, **options).writeto(path)
    return path


def _sky_cards(side: int) -> list[tuple[str, object]]:
    return [
        *(("CTYPE1", "RA---TAN"), ("CTYPE2", "DEC--TAN"), ("CRVAL1", 150.0), ("CRVAL2", 2.0)),
        *(("CRPIX1", side / 2), ("CRPIX2", side / 2), ("CDELT1", -1e-4), ("CDELT2", 1e-4)),
    ]
