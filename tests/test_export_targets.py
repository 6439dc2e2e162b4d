"""The cutouts of a table: all of them, once, in files that are whole."""

import asyncio
import csv
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from astropy.io import fits
from astropy.table import Table

import gateway
from gateway.__main__ import main
from gateway.config import settings_for_source
from gateway.cutter import Cutter
from gateway.export_targets import export_targets
from gateway.targets import read_targets
from gateway.web.app import build_app
from gateway.web.middleware import Handler
from tests.fits_files import TAN, image, pixels
from tests.running import REPOSITORY

DATA = pixels()
SIZE = "11px"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with two images and a table of six targets."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.fits", "b.fits"):
        (tmp_path / name).write_bytes(image(DATA, TAN))
    rng = np.random.default_rng(1)
    columns = {
        "source": ["a.fits", "b.fits"] * 3,
        "ra": TAN["CRVAL1"] + rng.uniform(-0.01, 0.01, 6),
        "dec": TAN["CRVAL2"] + rng.uniform(-0.01, 0.01, 6),
    }
    Table(columns).write(tmp_path / "targets.csv")
    return tmp_path


def add_rows(folder: Path, *rows: str) -> None:
    """Add rows to the table."""
    with (folder / "targets.csv").open("a") as table:
        table.writelines(f"{row}\n" for row in rows)


def test_the_cutouts_of_a_table(folder: Path, capsys: pytest.CaptureFixture[str]):
    """Each target has a file, which is what a single cutout gives."""
    assert main(["cutout", "targets.csv", "--size", SIZE]) == 0
    targets = read_targets(folder / "targets.csv", SIZE)

    assert capsys.readouterr().err == "cutouts: cutouts made: 6, there before: 0\n"
    made = {path.name for path in (folder / "cutouts").iterdir()}
    assert made == {target.file_name for target in targets}
    for target in targets:
        single = gateway.cutout(target.source, target.center, SIZE)
        with fits.open(folder / "cutouts" / target.file_name) as hdus:
            hdus.verify("exception")
            assert hdus[0].header == single[0].header
            assert np.array_equal(hdus[0].data, single[0].data, equal_nan=True)


def test_it_goes_on_where_it_stopped(folder: Path, capsys: pytest.CaptureFixture[str]):
    """What is there is not made again; what is missing is."""
    assert main(["cutout", "targets.csv", "--size", SIZE, "-o", "out"]) == 0
    first, *others = sorted((folder / "out").iterdir())
    first.unlink()
    others[0].write_bytes(b"whole")
    capsys.readouterr()

    assert main(["cutout", "targets.csv", "--size", SIZE, "-o", "out"]) == 0
    assert capsys.readouterr().err == "out: cutouts made: 1, there before: 5\n"
    assert first.exists()
    assert others[0].read_bytes() == b"whole"


def test_failures_have_a_table(folder: Path, capsys: pytest.CaptureFixture[str]):
    """What cannot be cut does not stop the others; a table says why, and can be tried again."""
    add_rows(folder, "missing.fits,150.1,2.2", "a.fits,10,2.2", "a.fits,,2.2", "nope://x/a,1,2")
    assert main(["cutout", "targets.csv", "--size", SIZE, "-o", "out"]) == 1
    said = capsys.readouterr().err
    with (folder / "out/errors.csv").open() as table:
        rows = list(csv.DictReader(table))

    assert said == "out: cutouts made: 6, there before: 0, 4 failed: see out/errors.csv\n"
    assert {row["source"]: row["error"] for row in rows if row["source"] != "a.fits"}.keys() == {
        "missing.fits",
        "nope://x/a",
    }
    assert any("no such file" in row["error"] for row in rows)
    assert any("'center'" in row["error"] for row in rows)

    (folder / "missing.fits").write_bytes((folder / "a.fits").read_bytes())
    assert main(["cutout", "out/errors.csv", "-o", "out"]) == 1
    assert "cutouts made: 1, there before: 0, 3 failed" in capsys.readouterr().err


def test_a_success_leaves_no_table_of_failures(folder: Path):
    """The table of an earlier run goes when nothing fails any more."""
    (folder / "out").mkdir()
    (folder / "out/errors.csv").write_text("old")
    assert main(["cutout", "targets.csv", "--size", SIZE, "-o", "out"]) == 0

    assert not (folder / "out/errors.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["targets.csv"], "--size"),
        (["targets.csv", "--size", "1px", "--center", "1,1px"], "leave out --center"),
        (["a.fits"], "table of targets"),
        (["a.fits", "--center", "1,1px"], "--size"),
        (["missing.csv", "--size", "1px"], "No such file"),
    ],
)
def test_what_is_not_enough(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
):
    """Nothing is begun when something is missing."""
    assert main(["cutout", *arguments]) != 0
    assert said in capsys.readouterr().err
    assert not (folder / "cutouts").exists()


@pytest.mark.usefixtures("folder")
def test_a_folder_that_cannot_be_written_to(capsys: pytest.CaptureFixture[str]):
    """An error of the system ends the run, and is said."""
    assert main(["cutout", "targets.csv", "--size", SIZE, "-o", "targets.csv"]) == 1
    assert capsys.readouterr().err == "ibe-gateway: targets.csv: File exists\n"


@pytest.fixture
async def asked(folder: Path) -> AsyncIterator[tuple[str, list[str]]]:
    """Serve the images by a gateway; give its URL, and what it is asked for."""
    asked: list[str] = []

    @web.middleware
    async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
        asked.append(f"{request.method} {request.path_qs}")
        return await handler(request)

    app = build_app(settings_for_source(str(folder)))
    app.middlewares.append(note)
    async with TestServer(app) as server:
        yield str(server.make_url("/")), asked


async def test_targets_at_a_gateway(folder: Path, asked: tuple[str, list[str]]):
    """Files at a gateway are cut by it, with a request for each target."""
    url, requests = asked
    table = Table.read(folder / "targets.csv")
    table["source"] = [f"{url}ibe/data/{source}" for source in table["source"]]
    table.write(folder / "targets.csv", overwrite=True)
    targets = read_targets(folder / "targets.csv", SIZE)
    out = folder / "out"
    outcome = await asyncio.to_thread(export_targets, targets, out, Cutter(), at_once=4)

    assert (outcome.n_made, outcome.failed) == (6, [])
    assert len(requests) == 6
    assert all("center=" in request for request in requests)


async def test_a_source_is_opened_once(folder: Path):
    """Over a network, all targets of a file share one look at it."""
    heads: list[str] = []

    async def serve(request: web.Request) -> web.FileResponse:
        if request.method == "HEAD":
            heads.append(request.path)
        return web.FileResponse(folder / request.match_info["name"])

    app = web.Application()
    app.router.add_get("/{name}", serve)
    async with TestServer(app) as server:
        table = Table.read(folder / "targets.csv")
        table["source"] = [str(server.make_url(f"/{name}")) for name in table["source"]]
        table.write(folder / "targets.csv", overwrite=True)
        targets = read_targets(folder / "targets.csv", SIZE)
        out = folder / "out"
        outcome = await asyncio.to_thread(export_targets, targets, out, Cutter(), at_once=4)

    assert (outcome.n_made, outcome.failed) == (6, [])
    assert sorted(heads) == ["/a.fits", "/b.fits"]


async def test_an_interrupt_leaves_whole_files(folder: Path):
    """Who interrupts a run keeps what was made, and nothing that is not whole."""
    begun = asyncio.Event()

    async def stall(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "5760"})
        await response.prepare(request)
        await response.write(bytes(2880))
        begun.set()
        await asyncio.Event().wait()
        return response

    app = web.Application()
    app.router.add_get("/ibe/stalls.fits", stall)
    async with TestServer(app) as server:
        add_rows(folder, f"{server.make_url('/ibe/stalls.fits')},150.1,2.2")
        arguments = ("cutout", "targets.csv", "--size", SIZE, "--at-once", "1")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", *arguments),
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
            stderr=asyncio.subprocess.PIPE,
        )
        await begun.wait()
        process.send_signal(signal.SIGINT)
        _, said = await process.communicate()
    names = [path.name for path in (folder / "cutouts").iterdir()]

    assert (process.returncode, said) == (130, b"")
    assert sorted(name[0] for name in names) == ["a"] * 3 + ["b"] * 3
    assert all(name.endswith(".fits") for name in names)
