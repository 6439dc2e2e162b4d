"""The archive of the soak: files of every kind, on every storage that is at hand."""

import gzip
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from random import Random
from shutil import which
from sys import executable

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from bench.fits_mutations import mutate_fits
from bench.fuzz_seeds import make_files
from tests.conftest import find_material
from tests.core.compressed import compress
from tests.fits_files import TAN, extension, header, image, mandatory, mef, table
from tests.servers import run_nginx, run_seaweedfs

_SIDE, _SMALL_SIDE = 1500, 300
_N_HOSTILE = 60
_N_SKY = 64
_CONFIG = """\
[server]
port = 0
workers = 2
log_format = "json"
[limits]
max_requests = 2000
max_client_requests = 2000
max_client_large = 128
[cache]
dir = "{cache}"
small_parent_bytes = 4_000_000
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A position on the sky, and where it lies on the last image of its file."""

    ra_deg: float
    dec_deg: float
    x_px: float
    """As FITS counts: the first pixel's centre is 1."""
    y_px: float


@dataclass(frozen=True, slots=True)
class Parent:
    """A good file, and what it holds."""

    name: str
    size: int
    """Of the file, in bytes."""
    images: tuple[np.ndarray, ...]
    """The pixels of all its images, big-endian; the last of them is its last HDU."""
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Archive:
    """What is asked for."""

    config: Path
    folder: Path
    parents: tuple[Parent, ...]
    storages: tuple[str, ...]
    """Paths of collections, which all have the parents."""
    hostile: tuple[str, ...]
    """Names of files that nothing good can be made of, beside the parents on the disk."""


@contextmanager
def serve_archive(folder: Path, seed: int) -> Iterator[Archive]:
    """Make the files, and start the storages that are installed."""
    (disk := folder / "disk").mkdir()
    files = dict(_make_files())
    for name, content in files.items():
        (disk / name).write_bytes(content)
    hostile = dict(_make_hostile(Random(seed)))
    for name, content in hostile.items():
        (disk / name).write_bytes(content)
    (disk / "empty").mkdir()
    (disk / "notes.txt").write_text("Nothing to cut.\n")
    collections = [_collection("/ibe/data/disk", str(disk))]
    with ExitStack() as stack:
        material = find_material()
        if _has("weed"):
            storage = stack.enter_context(run_seaweedfs())
            storage.put("soak", files)
            options = ", ".join(f'{name} = "{value}"' for name, value in storage.options.items())
            collections.append(_collection("/ibe/data/s3", "s3://soak", options))
        if _has("nginx") and material.is_dir():
            port = stack.enter_context(run_nginx(material, files))
            collections.append(_collection("/ibe/data/http", f"http://127.0.0.1:{port}"))
        config = folder / "gateway.toml"
        config.write_text(
            _CONFIG.format(cache=folder / "cache") + "".join(c for _, c in collections)
        )
        parents = tuple(_describe(name, content) for name, content in files.items())
        yield Archive(config, disk, parents, tuple(p for p, _ in collections), tuple(hostile))


def _collection(path: str, url: str, options: str = "") -> tuple[str, str]:
    text = f'[[collections]]\npath = "{path}"\nurl = "{url}"\nstorage_options = {{ {options} }}\n'
    return path, text


def _has(command: str) -> bool:
    return which(command) is not None or Path(executable).with_name(command).exists()


def _make_files() -> Iterator[tuple[str, bytes]]:
    rng = np.random.default_rng(1)

    def draw(side: int, kind: str = ">f4") -> np.ndarray:
        return rng.normal(1000, 20, (side, side)).astype(kind)

    tan = TAN | {"CRPIX1": 700.25, "CRPIX2": 800.75}
    yield "plain.fits", image(draw(_SIDE), tan)
    yield "whole.fits", image(draw(_SIDE, ">i2"), tan)
    chips = [extension(draw(_SMALL_SIDE), f"CHIP{n}", TAN) for n in range(5)]
    yield "mef.fits", mef(table(), *chips)
    yield "small.fits.gz", gzip.compress(image(draw(_SMALL_SIDE), TAN), 1, mtime=0)
    yield "indexed.fits.gz", gzip.compress(image(draw(_SIDE), tan), 1, mtime=0)
    cards = fits.Header(tan)
    for kind in ("RICE_1", "GZIP_2"):
        tiled = compress(
            draw(_SIDE, ">i2"), compression_type=kind, tile_shape=(100, 100), header=cards
        )
        yield f"{kind.lower()}.fits.fz", tiled
    options = {"quantize_level": 8, "quantize_method": 1, "dither_seed": 3}
    yield "float.fits.fz", compress(draw(_SMALL_SIDE), header=fits.Header(TAN), **options)


def _make_hostile(random: Random) -> Iterator[tuple[str, bytes]]:
    yield "bomb.fits.gz", gzip.compress(header(*mandatory((10**5, 10**5))) + bytes(2**27), 9)
    yield "absurd.fits", header(*mandatory((10**9, 10**9)))
    yield "endless.fits", b"".join(mandatory((10, 10))) + b" " * 2**20
    yield "hdus.fits", header(*mandatory(())) + header(*mandatory((), xtension="IMAGE")) * 3000
    seeds = make_files(None)
    for n in range(_N_HOSTILE):
        yield f"mutated{n}.fits", mutate_fits(random, seeds)


def _describe(name: str, content: bytes) -> Parent:
    plain = gzip.decompress(content) if name.endswith(".gz") else content
    with fits.open(BytesIO(plain)) as hdus:
        images = [hdu for hdu in hdus if hdu.is_image and hdu.data is not None]
        wcs, (ny, nx) = WCS(images[-1].header), images[-1].shape
        rng = np.random.default_rng(2)
        x_px, y_px = (np.round(rng.uniform(5, n - 5, _N_SKY)) + 0.25 for n in (nx, ny))
        sky = wcs.all_pix2world(x_px, y_px, 1)
        places = tuple(map(Place, *(column.tolist() for column in (*sky, x_px, y_px))))
        pixels = tuple(hdu.data.astype(hdu.data.dtype.newbyteorder(">")) for hdu in images)
    return Parent(name, len(content), pixels, places)
