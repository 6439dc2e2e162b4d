"""Gzip files as they come, of members, under names that lie, damaged: a cutout, or the reason."""

import bz2
import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.config import load_settings
from gateway.core.errors import CorruptFits, UnsupportedFits
from gateway.service import Service, open_service
from tests.fits_files import TAN, image, pixels
from tests.replay import ask

FILE = image(pixels((300, 400)), TAN)
QUERY = "center=70,50px&size=21,14px"
PACKED = gzip.compress(FILE, 6)
HALF = len(FILE) // 2
MIB = 2**20


def changed(offset: int) -> bytes:
    """Flip the bits of a byte of the gzip file."""
    packed = bytearray(PACKED)
    packed[offset] ^= 0xFF
    return bytes(packed)


RIGHT = {
    "one member": PACKED,
    "two members": gzip.compress(FILE[:HALF]) + gzip.compress(FILE[HALF:]),
    "stored, between empty members": gzip.compress(b"")
    + gzip.compress(FILE, 0)
    + gzip.compress(b""),
    "zeros behind": PACKED + bytes(5000),
    "garbage behind": PACKED + b"garbage" * 999,
    "not gzipped at all": FILE,
}
WRONG = {
    "cut off in the data": (PACKED[: len(PACKED) // 2], CorruptFits, "cut off"),
    "cut off in the checksum": (PACKED[:-6], CorruptFits, "cut off"),
    "damaged data": (changed(len(PACKED) // 2), CorruptFits, "damaged"),
    "wrong checksum": (changed(-5), CorruptFits, "damaged"),
    "wrong length": (changed(-1), CorruptFits, "damaged"),
    "gzipped twice": (gzip.compress(PACKED), CorruptFits, "not a FITS file"),
    "bzip2": (bz2.compress(FILE), UnsupportedFits, "compressed by bzip2"),
    "compress": (b"\x1f\x9d\x90" + bytes(999), UnsupportedFits, "compressed by compress"),
}


@pytest.fixture(params=[16 * MIB, 0], ids=["in memory", "by index"])
async def service(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Service]:
    """Open the service of a folder; gzip files are unpacked in memory, or indexed."""
    settings = {
        "cache": {"small_parent_bytes": request.param},
        "collections": [{"path": "/ibe/data", "url": str(tmp_path)}],
    }
    service = open_service(load_settings(None, settings))
    yield service
    await service.close()


@pytest.mark.parametrize("ending", ["fits", "fits.gz"])
@pytest.mark.parametrize("case", RIGHT)
async def test_the_cutout_is_that_of_the_plain_file(
    service: Service, tmp_path: Path, case: str, ending: str
):
    """Whatever its members, what follows them, and its name: the bytes are the same."""
    (tmp_path / "plain.fits").write_bytes(FILE)
    (tmp_path / f"packed.{ending}").write_bytes(RIGHT[case])

    expected = await ask(service, "plain.fits", QUERY)

    assert isinstance(expected, bytes)
    assert await ask(service, f"packed.{ending}", QUERY) == expected


@pytest.mark.parametrize("case", WRONG)
async def test_damage_is_told_and_never_cut(service: Service, tmp_path: Path, case: str):
    """What does not end as it must has no cutouts: no pixel is given that may be wrong."""
    content, error, sentence = WRONG[case]
    (tmp_path / "packed.fits.gz").write_bytes(content)

    answer = await ask(service, "packed.fits.gz", QUERY)

    assert isinstance(answer, error)
    assert sentence in str(answer)
