"""What the public page says of wget and curl: its command lines, run as they stand there."""

import asyncio
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient
from astropy.io import fits

from tests.page import INTENSITY, UNCERTAINTY, get

pytest_plugins = ("tests.demo_archive",)


QUERY = "center=70,20&size=200pix"
PARENT = INTENSITY.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Download:
    """A command line, and the file that it leaves."""

    command: str
    saved_as: str
    path_and_query: str = f"{INTENSITY}?{QUERY}"
    """What stands for URL in the command."""


DOWNLOADS = (
    Download('wget "URL"', f"{PARENT}?{QUERY}"),
    Download('wget -O mycutout.fits.gz "URL"', "mycutout.fits.gz"),
    Download('wget --output-document=mycutout.fits.gz "URL"', "mycutout.fits.gz"),
    Download('wget --content-disposition "URL"', f"{PARENT}.gz"),
    Download('curl -o mycutout.fits.gz "URL"', "mycutout.fits.gz"),
    Download('curl --output mycutout.fits.gz "URL"', "mycutout.fits.gz"),
    Download('curl "URL" > mycutout.fits.gz', "mycutout.fits.gz"),
    Download('curl -O -J "URL"', f"{PARENT}.gz"),
    *(
        Download(command, path.rpartition("/")[2].removesuffix(".gz"), f"{path}?{QUERY}&gzip=false")
        for command in ('wget --content-disposition "URL"', 'curl -O -J "URL"')
        for path in (INTENSITY, UNCERTAINTY)
    ),
)


def require(tool: str) -> None:
    """Skip a test whose tool is not installed, but never in CI."""
    if shutil.which(tool) is None:
        if os.environ.get("CI"):
            pytest.fail(f"CI must have {tool}.")
        pytest.skip(f"{tool} is not installed.")


def visible_files(folder: Path) -> list[Path]:
    """List a folder, without what the tools keep for themselves."""
    return [path for path in folder.iterdir() if not path.name.startswith(".")]


@pytest.mark.parametrize("download", DOWNLOADS, ids=lambda d: f"{d.command} {d.saved_as}")
async def test_downloads(page: TestClient, tmp_path: Path, download: Download):
    """Each command saves the cutout under the name that the page says, and it can be opened.

    "the cutout will be saved to a local file with the same name as the last segment of the URL
    path"; "The output file name can be specified with either the -O or --output-document option";
    "the default suggested file name, which will be the name of the parent image"; "specify a local
    output file name with either the -o or --output option"; "pipe curl's output directly to a
    file"; "you can make curl do this by using the -O option in conjunction with the -J option"
    """
    require(download.command.partition(" ")[0])
    command = download.command.replace(
        "URL", str(page.make_url("/"))[:-1] + download.path_and_query
    )
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "no_proxy": "*"}

    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", command),
        cwd=tmp_path,
        env=environment,
        stderr=asyncio.subprocess.PIPE,
    )
    _, complaint = await process.communicate()

    assert process.returncode == 0, complaint.decode()
    (saved,) = visible_files(tmp_path)
    assert saved.name == download.saved_as
    assert saved.read_bytes() == (await get(page, download.path_and_query)).body
    with fits.open(saved) as hdus:
        assert hdus[0].data.shape == (200, 200)
