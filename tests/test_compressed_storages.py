"""Compressed parents on real storages: the same cutouts as from a local disk."""

import gzip
import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tests.core.compressed import compress
from tests.deployment import Answer, ask
from tests.mirrors import run_mirrors
from tests.running import Gateway
from tests.servers import S3Server

SIDE = 1200
PIXELS = np.random.default_rng(1).normal(100, 3, (SIDE, SIDE)).astype(">f4")
INTEGERS = PIXELS.astype(">i2")
CODECS = "RICE_1", "GZIP_2", "HCOMPRESS_1", "PLIO_1"
QUERIES = (
    "center=600.5,200.5px&size=64px",
    "center=1,250px&size=300px",  # over the edge
    "center=1100,30px&size=200,20px",
)


def gzipped(*images: np.ndarray) -> bytes:
    """Make a gzip file of some images."""
    buffer = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), *map(fits.ImageHDU, images)]).writeto(buffer)
    return gzip.compress(buffer.getvalue(), 1)


FILES = {"small.fits.gz": gzipped(INTEGERS[:300]), "indexed.fits.gz": gzipped(PIXELS)} | {
    f"{codec.lower()}.fits.fz": compress(INTEGERS, compression_type=codec, tile_shape=(100, 100))
    for codec in CODECS
}
N_IMAGES = 4
MANY = gzipped(*[PIXELS] * N_IMAGES)


@pytest.fixture(scope="module")
def gateway(seaweedfs: S3Server, material: Path) -> Iterator[Gateway]:
    """Serve the files from storages of all kinds; of the gzip files all but one are large."""
    settings = "[cache]\nsmall_parent_bytes = 1_000_000"
    files = FILES | {"many.fits.gz": MANY}
    with run_mirrors(seaweedfs, material, "compressed", files, settings) as gateway:
        yield gateway


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("name", FILES)
def test_cutouts_are_those_of_the_local_file(gateway: Gateway, name: str, query: str):
    """Every storage answers the same bytes, the first time and when the parent is known."""
    local = ask(f"{gateway.url}/ibe/data/disk/{name}?{query}&gzip=false")
    assert local.status == 200
    for storage in ("s3", "http"):
        for _ in range(2):
            answer = ask(f"{gateway.url}/ibe/data/{storage}/{name}?{query}&gzip=false")
            assert answer.status == 200
            assert answer.body == local.body


@pytest.mark.parametrize("name", FILES)
def test_cutouts_have_the_pixels_of_the_parent(gateway: Gateway, name: str):
    """What the storages agree on is right."""
    answer = ask(f"{gateway.url}/ibe/data/s3/{name}?{QUERIES[0]}&gzip=false")
    expected = PIXELS if name == "indexed.fits.gz" else INTEGERS
    with fits.open(io.BytesIO(answer.body)) as hdus:
        np.testing.assert_array_equal(hdus[-1].data, expected[168:232, 568:632])


@pytest.mark.parametrize("storage", ["s3", "http"])
def test_a_remote_parent_is_read_once(gateway: Gateway, storage: str):
    """The first cutout costs one reading of a gzip file, and what headers and every cutout cost.

    So a copy on disk could save nothing.
    """
    url = f"{gateway.url}/ibe/data/{storage}/many.fits.gz?{QUERIES[0]}&gzip=false"
    first, later = (bytes_read(ask(url)) for _ in range(2))

    assert 0 < later < len(MANY) / 2
    assert len(MANY) <= first - later <= len(MANY) + N_IMAGES * 2**20


def bytes_read(answer: Answer) -> int:
    """Give how many bytes the storage gave for an answer."""
    return int(re.search(r"(\d+) bytes", answer.headers["Server-Timing"])[1])
