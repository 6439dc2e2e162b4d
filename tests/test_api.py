"""Cutouts in scripts and notebooks: of paths, of fsspec URLs, and of files at a gateway."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from fsspec.implementations.memory import MemoryFileSystem

import gateway
from gateway.config import ConfigurationError, settings_for_source
from gateway.core.errors import (
    BadParameter,
    NoOverlap,
    NotFound,
    Overloaded,
    RequestError,
    StorageUnavailable,
)
from gateway.web.app import build_app
from tests.fits_files import TAN, extension, mef, pixels

DATA = pixels()
WHERE = ("50,40px", "11,7px")
CUT = DATA[36:43, 44:55]
FILE = mef(extension(DATA, "SCI", TAN), extension(DATA + 1, "ERR", TAN))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder with an image, plain and gzipped."""
    (tmp_path / "a.fits").write_bytes(FILE)
    (tmp_path / "b.fits.gz").write_bytes(gzip.compress(FILE))
    return tmp_path


@pytest.fixture
async def address(folder: Path) -> AsyncIterator[str]:
    """Serve the folder by a gateway; give its URL."""
    server = TestServer(build_app(settings_for_source(str(folder))))
    await server.start_server()
    yield str(server.make_url("/ibe/data")).rstrip("/")
    await server.close()


def is_cut(hdus: fits.HDUList) -> bool:
    """Verify a cutout, and tell whether its pixels are the right ones."""
    hdus.verify("exception")
    return np.array_equal(hdus["SCI"].data, CUT, equal_nan=True) and np.array_equal(
        hdus["ERR"].data, CUT + 1, equal_nan=True
    )


@pytest.mark.parametrize("name", ["a.fits", "b.fits.gz"])
def test_a_path(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    """A file may be given by its Path, its name, or its URL."""
    monkeypatch.chdir(folder)

    assert is_cut(gateway.cutout(folder / name, *WHERE))
    assert is_cut(gateway.cutout(name, *WHERE))
    assert is_cut(gateway.cutout(f"file://{folder}/{name}", *WHERE))


def test_any_filesystem():
    """A file may lie wherever fsspec reaches, with the options of that filesystem."""
    filesystem = MemoryFileSystem()
    filesystem.pipe("/library/deep/a.fits", FILE)
    try:
        source = "memory://library/deep/a.fits"
        assert is_cut(gateway.cutout(source, *WHERE, storage_options={"use_listings_cache": False}))
    finally:
        filesystem.rm("/library", recursive=True)


def test_positions_and_quantities(folder: Path):
    """A SkyCoord and a Quantity ask for the same pixels as the text of a URL."""
    position = SkyCoord(TAN["CRVAL1"], TAN["CRVAL2"], unit="deg")
    found = gateway.cutout(folder / "a.fits", position.galactic, 10 * u.arcsec)
    same = gateway.cutout(folder / "a.fits", f"{position.ra.deg},{position.dec.deg}", "10px")

    assert found["SCI"].shape == (10, 10)
    assert found["SCI"].header == same["SCI"].header


def test_the_pixels_are_the_callers(folder: Path):
    """The cutout is in memory and can be changed; the file stays as it is."""
    hdus = gateway.cutout(folder / "a.fits", *WHERE)
    hdus["SCI"].data[:] = 0
    hdus.writeto(folder / "c.fits")

    assert (folder / "a.fits").read_bytes() == FILE
    assert not fits.getdata(folder / "c.fits", "SCI").any()


@pytest.mark.parametrize(("box", "shape"), [(None, (7, 11)), ("exact", (7, 11)), ("ibe", (8, 12))])
def test_the_rule_for_the_pixels(folder: Path, box: str | None, shape: tuple[int, int]):
    """Both rules can be asked for; exact is the default."""
    assert gateway.cutout(folder / "a.fits", *WHERE, box=box)["SCI"].shape == shape


@pytest.mark.parametrize("hdu", ["ERR", 2, ("ERR",), [2, "ERR"]])
async def test_some_hdus(folder: Path, address: str, hdu: object):
    """Those that are wanted can be named, by name or number, of a file anywhere."""
    for source in (folder / "a.fits", f"{address}/a.fits"):
        hdus = await gateway.cutout_async(source, *WHERE, hdu=hdu)

        assert [each.name for each in hdus] == ["PRIMARY", "ERR"]


async def test_inside_of_an_event_loop(folder: Path):
    """Both forms work where a loop runs already, as in a notebook, and many of them at once."""
    source = folder / "a.fits"
    assert is_cut(gateway.cutout(source, *WHERE))
    found = await asyncio.gather(*(gateway.cutout_async(source, *WHERE) for _ in range(5)))

    assert all(is_cut(hdus) for hdus in found)


async def test_a_file_at_a_gateway(address: str):
    """A file at a gateway is cut there, by the rule of its collection."""
    for name in ("a.fits", "b.fits.gz"):
        assert is_cut(await gateway.cutout_async(f"{address}/{name}", *WHERE))
        assert is_cut(await asyncio.to_thread(gateway.cutout, f"{address}/{name}", *WHERE))


async def test_a_gateway_is_told_by_its_path(folder: Path):
    """A server without /ibe/ in the path is an archive, of which rows are read."""
    asked: list[str] = []

    async def serve(request: web.Request) -> web.FileResponse:
        asked.append(f"{request.method} {request.path_qs} {request.headers.get('Range')}")
        return web.FileResponse(folder / "a.fits")

    app = web.Application()
    app.router.add_get("/data/a.fits", serve)
    async with TestServer(app) as server:
        assert is_cut(await gateway.cutout_async(str(server.make_url("/data/a.fits")), *WHERE))

    assert all("?" not in each for each in asked)
    assert any("bytes=" in each for each in asked)


@pytest.mark.parametrize(
    ("name", "where", "error", "said"),
    [
        ("missing.fits", WHERE, NotFound, "no such file"),
        ("a.fits", ("-99,1px", "1px"), NoOverlap, "overlap"),
        ("a.fits", ("1,1", "-1"), BadParameter, "negative"),
        ("a.fits?center=1,1px", WHERE, RequestError, "without a query"),
    ],
)
async def test_what_a_gateway_refuses(
    address: str, name: str, where: tuple[str, str], error: type[Exception], said: str
):
    """A gateway's refusal is our error again, with its sentence."""
    with pytest.raises(error, match=said):
        await gateway.cutout_async(f"{address}/{name}", *where)


@pytest.mark.parametrize("options", [{"box": "ibe"}, {"storage_options": {"anon": True}}])
async def test_what_a_gateway_decides(address: str, options: dict[str, object]):
    """A gateway has its own rule and its own storage: to ask for others is refused."""
    with pytest.raises(RequestError, match="leave them out"):
        await gateway.cutout_async(f"{address}/a.fits", *WHERE, **options)


async def test_a_gateway_in_trouble():
    """One that is full, broken, silent or not there is told apart from one without the file."""

    async def full(_: web.Request) -> web.Response:
        return web.Response(status=503, text="later")

    async def broken(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "2880"})
        await response.prepare(request)
        await response.write(b"SIMPLE")
        request.transport.abort()
        return response

    app = web.Application()
    app.router.add_get("/ibe/full.fits", full)
    app.router.add_get("/ibe/broken.fits", broken)
    async with TestServer(app) as server:
        with pytest.raises(Overloaded, match="503"):
            await gateway.cutout_async(str(server.make_url("/ibe/full.fits")), *WHERE)
        with pytest.raises(StorageUnavailable, match="broke off"):
            await gateway.cutout_async(str(server.make_url("/ibe/broken.fits")), *WHERE)
    with pytest.raises(StorageUnavailable, match="reached"):
        await gateway.cutout_async(f"http://127.0.0.1:{unused_port()}/ibe/a.fits", *WHERE)


@pytest.mark.parametrize(
    ("source", "where", "error"),
    [
        ("missing.fits", WHERE, NotFound),
        ("a.fits", ("-99,1px", "1px"), NoOverlap),
        ("a.fits", (SkyCoord([1, 2], [3, 4], unit="deg"), "1px"), BadParameter),
        ("nosuchscheme://x/a.fits", WHERE, ConfigurationError),
    ],
)
def test_what_cannot_be_cut(folder, monkeypatch, source, where, error):
    """Errors are those of the gateway's own tree, from both forms."""
    monkeypatch.chdir(folder)
    with pytest.raises(error):
        gateway.cutout(source, *where)
