"""The README's commands and programs do what it says, on a server of their own."""

import asyncio
import os
import re
import shlex
import sys
from pathlib import Path

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer
from astropy.io import fits

from gateway.config import load_settings
from gateway.web.app import build_app

pytest_plugins = ("tests.demo_archive",)

README = (Path(__file__).parents[1] / "README.md").read_text()
WRITTEN_FOR = "http://127.0.0.1:8080"


def blocks(language: str) -> list[str]:
    """Give the code of a language, block by block."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def lines(begin: str) -> list[str]:
    """Give the shell lines that begin with a word, without their comments."""
    found = [line for block in blocks("sh") for line in block.splitlines()]
    return [line.partition("  #")[0].strip() for line in found if line.startswith(begin)]


async def run(*command: str, cwd: Path) -> str:
    """Run a program; give what it says, and fail if it fails."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


@pytest.fixture
async def address(demo_archive):
    """Serve the demo archive; give the address."""
    collections = [{"path": "/ibe/data", "url": str(demo_archive)}]
    server = TestServer(build_app(load_settings(None, {"collections": collections})))
    await server.start_server()
    yield str(server.make_url("")).rstrip("/")
    await server.close()


async def test_curl_saves_the_first_cutout(address, tmp_path):
    """The README's curl line saves a file whose ending tells the truth."""
    (command,) = lines("curl")
    await run(*shlex.split(command.replace(WRITTEN_FOR, address)), cwd=tmp_path)

    (saved,) = tmp_path.iterdir()
    assert saved.name.startswith("EUC_MER_BGSUB-MOSAIC")
    assert saved.name.endswith(".fits.gz")
    with fits.open(saved) as hdus:
        assert hdus[0].shape == (600, 600)


async def test_the_picture_is_one(address):
    """The README's link to the galaxy's picture leads to a picture."""
    (link,) = re.findall(rf"\({WRITTEN_FOR}(/ibe/\S+)\)", README)
    async with ClientSession() as session, session.get(address + link) as answer:
        assert (answer.status, answer.content_type) == (200, "image/png")


@pytest.mark.parametrize("program", blocks("python"), ids=["gateway", "astropy"])
async def test_the_python_examples_open_cutouts(address, tmp_path, program):
    """Each of the README's Python programs prints the shape of its cutouts, without a warning."""
    program = program.replace(WRITTEN_FOR, address)
    output = await run(sys.executable, "-W", "error", "-c", program, cwd=tmp_path)

    assert output.count("(600, 600)") == program.count("hdus.info()") + program.count("print(")


async def test_the_command_cuts_without_a_server(demo_archive, tmp_path):
    """The README's cutout command writes a gzipped cutout."""
    command, _ = lines("ibe-gateway cutout")
    image = next(demo_archive.rglob("*w1-int-1b.fits"))
    arguments = shlex.split(command.replace("image.fits", str(image)))[1:]
    await run(sys.executable, "-m", "gateway", *arguments, cwd=tmp_path)

    with fits.open(tmp_path / "cutout.fits.gz") as hdus:
        assert hdus[0].shape == (200, 200)


async def test_the_command_cuts_a_table(demo_archive, tmp_path):
    """The README's table of targets is cut into the folder that it names."""
    _, command = lines("ibe-gateway cutout")
    image = next(demo_archive.rglob("*w1-int-1b.fits"))
    (tmp_path / "targets.csv").write_text(f"source,ra,dec\n{image},70,20\n{image},70.01,20\n")
    await run(sys.executable, "-m", "gateway", *shlex.split(command)[1:], cwd=tmp_path)

    assert len(list((tmp_path / "cutouts").glob("*_30arcsec.fits"))) == 2


def test_the_make_targets_exist():
    """Each `make` that the README names is a target."""
    makefile = (Path(__file__).parents[1] / "Makefile").read_text()
    named = {line.split()[1] for line in lines("make")}

    assert named >= {"demo", "test", "check", "bench"}
    assert all(re.search(rf"^{name}:", makefile, re.MULTILINE) for name in named)


def test_the_links_lead_somewhere():
    """Each relative link of the README and of docs/ names a file."""
    root = Path(__file__).parents[1]
    for page in (root / "README.md", *(root / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)[^)]*\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
