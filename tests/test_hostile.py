"""Files that were made to harm: a clear error, soon, and the gateway is well afterwards."""

import asyncio
import gzip
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from aiohttp.test_utils import TestClient

from gateway.config import CollectionSettings, LimitSettings, Settings
from gateway.web.app import build_app
from tests.core.compressed import compress
from tests.fits_files import LOOKUP, SIP, TAN, card, header, image, mandatory, mef, pixels, table

ROOT = "/ibe/data/x"
SKY = "center=150.1,2.2&size=10arcsec"
PIXEL = "center=5,5px&size=3px"
GOOD = image(cards=TAN)
SOON_S = 1.0  # of the processor
HANG_S = 60.0  # on any clock
BOMB_BYTES = 2**26


def hdu(*cards: bytes, shape: tuple[int, ...] = (), xtension: str = "", bitpix: int = 8) -> bytes:
    """Write a header of any cards behind the mandatory ones."""
    return header(*mandatory(shape, bitpix, xtension=xtension), *cards)


def number(keyword: str, value: object) -> bytes:
    """Write a card with a number, or what stands in the place of one."""
    return card(keyword, f"{value:>20}")


EMPTY = hdu()
HEAP = (number("PCOUNT", 10**15), number("TFIELDS", 1))
FILES = {
    "empty": b"",
    "random": os.urandom(100_000),
    "zeros": bytes(100_000),
    "page": b"<!DOCTYPE html><html>Not found</html>" * 100,
    "no simple": GOOD[80:],
    "cut header": GOOD[:2000],
    "cut after simple": GOOD[:80],
    "no end": GOOD[:2880].replace(b"END     ", b"        ") + b" " * 2880 * 30,
    "end in no place": header(*mandatory((10, 10)), end=b" END").replace(b"END", b"EMD", 1),
    "bitpix": hdu(shape=(10, 10), bitpix=7),
    "naxis": header(card("SIMPLE", f"{'T':>20}"), number("BITPIX", 8), number("NAXIS", 10**9)),
    "no axes": header(card("SIMPLE", f"{'T':>20}"), number("BITPIX", 8), number("NAXIS", 2)),
    "absurd axes": hdu(shape=(10**18, 10**18)),
    "huge axes": hdu(shape=(2**31, 2**31)),
    "negative axis": hdu(shape=(-5, 10)),
    "axis of 5000 digits": header(
        *mandatory((10, 10))[:-1], card("NAXIS2", "9" * 69), number("NAXIS3", "9" * 20)
    ),
    "999 axes": hdu(shape=(1,) * 999) + bytes(2880),
    "many hdus": EMPTY + hdu(shape=(), xtension="IMAGE") * 10_000,
    "negative pcount": EMPTY
    + header(*mandatory((10, 10), xtension="IMAGE")[:-2], number("PCOUNT", -(10**9))),
    "heap behind the end": EMPTY + hdu(*HEAP, shape=(8, 10**12), xtension="BINTABLE"),
    "broken tiles": compress(pixels((50, 50), "i2"), compression_type="RICE_1").replace(
        b"RICE_1", b"RUBISH"
    ),
    "noise as tiles": compress(pixels((50, 50), "i2"), compression_type="RICE_1")[:-5760]
    + os.urandom(5760),
    "tiles of nothing": compress(pixels((50, 50), "i2"), compression_type="GZIP_1").replace(
        b"ZTILE1  =                   50", b"ZTILE1  =                    0"
    ),
    "tiles beyond all memory": compress(pixels((50, 50), "i2"), compression_type="GZIP_1").replace(
        b"ZNAXIS1 =                   50", b"ZNAXIS1 =          99999999999"
    ),
    "sky of nothing": image(cards=TAN | {"CDELT1": 0.0, "CDELT2": 0.0}),
    "sky of another world": image(cards=TAN | {"CTYPE1": "RA---ZZZ", "CTYPE2": "DEC--ZZZ"}),
    "sky beyond all numbers": image(cards=TAN | {"CRPIX1": 1e300, "CRVAL2": 1e300}),
    "distortion of a high order": image(cards=SIP | {"A_ORDER": 10**6}),
    "distortion that explodes": image(cards=SIP | {"A_2_0": 1e30, "B_0_2": -1e30}),
    "lookup table that is missing": image(cards=LOOKUP),
    "bomb": gzip.compress(bytes(BOMB_BYTES), 9),
    "bomb behind a header": gzip.compress(hdu(shape=(10**6, 10**6)) + bytes(BOMB_BYTES), 9),
    "bomb in a bomb": gzip.compress(gzip.compress(bytes(BOMB_BYTES), 9), 9),
    "members without end": gzip.compress(b"") * 20_000,
    "half a gzip file": gzip.compress(GOOD)[:3000],
    "only the magic number": b"\x1f\x8b",
}


def endless_header(path: Path) -> None:
    """Write a header that never ends: a sparse file of a gigabyte."""
    with path.open("wb") as file:
        file.write(b"".join(mandatory((10, 10))))
        file.truncate(2**30)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Write all files into a collection, and a good one beside them."""
    folder = tmp_path_factory.mktemp("hostile")
    for name, content in FILES.items():
        (folder / f"{name}.fits").write_bytes(content)
    endless_header(folder / "endless header.fits")
    (folder / "good.fits").write_bytes(GOOD)
    yield folder
    (folder / "endless header.fits").unlink()


@pytest.fixture
async def client(folder: Path, aiohttp_client: Callable[..., Awaitable[TestClient]]) -> TestClient:
    """Start the gateway over the files."""
    collection = CollectionSettings(path=ROOT, url=str(folder))
    limits = LimitSettings(max_inflated_bytes=BOMB_BYTES // 4)
    return await aiohttp_client(build_app(Settings(limits=limits, collections=(collection,))))


@pytest.mark.parametrize("query", [PIXEL, SKY])
@pytest.mark.parametrize("name", [*FILES, "endless header"])
async def test_a_hostile_file_is_told_and_forgotten(client: TestClient, name: str, query: str):
    """A cutout is right or refused in a sentence, after a second of work at most; others follow."""
    started = time.process_time()  # of all threads; what other processes do is not in it
    async with asyncio.timeout(HANG_S):
        response = await client.get(f"{ROOT}/{name}.fits?{query}&gzip=0")
        text = (await response.read()).decode("latin-1")
    took_s = time.process_time() - started
    good = await client.get(f"{ROOT}/good.fits?{SKY}")

    assert response.status in {200, 413, 500}
    assert took_s < SOON_S
    if response.status != 200:
        assert not text.startswith("The gateway failed")
        assert "\nRequest " in text
    assert (good.status, len(await good.read()) > 0) == (200, True)


@pytest.mark.parametrize("name", ["random", "bomb", "endless header", "absurd axes", "many hdus"])
async def test_a_hostile_file_is_still_a_file(client: TestClient, folder: Path, name: str):
    """What cannot be cut can be downloaded: the file itself is nobody's cutout."""
    response = await client.get(f"{ROOT}/{name}.fits", headers={"Range": "bytes=0-999"})

    assert response.status == 206
    with (folder / f"{name}.fits").open("rb") as file:
        assert await response.read() == file.read(1000)


@pytest.mark.parametrize("seed", range(4))
async def test_damage_is_an_error_of_the_file(
    aiohttp_client: Callable[..., Awaitable[TestClient]], tmp_path: Path, seed: int
):
    """A byte that was changed anywhere in a header makes a cutout or a clear error."""
    random = np.random.default_rng(seed)
    originals = [
        image(pixels((20, 20)), SIP),
        mef(table()),
        compress(pixels((20, 20), "i2"), compression_type="RICE_1"),
    ]
    for n in range(60):
        content = bytearray(originals[n % 3])
        for at in random.integers(0, min(len(content), 9000), 8):
            content[at] = random.integers(32, 127)
        (tmp_path / f"{n}.fits").write_bytes(content)
    collection = CollectionSettings(path=ROOT, url=str(tmp_path))
    client = await aiohttp_client(build_app(Settings(collections=(collection,))))
    answers = [
        await client.get(f"{ROOT}/{n}.fits?{query}&gzip=0")
        for n in range(60)
        for query in (SKY, PIXEL)
    ]
    texts = {(a.status, (await a.read())[:18]) for a in answers}

    assert {status for status, _ in texts} <= {200, 500}
    assert (500, b"The gateway failed") not in texts
