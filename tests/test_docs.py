"""What the documentation tells people to do works as it says."""

import asyncio
import re
import shutil
import sys
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient

from gateway.web.problems import STATUS
from tests.test_readme import WRITTEN_FOR, run

pytest_plugins = ("tests.demo_archive",)

DOCS = Path(__file__).parents[1] / "docs"
CUTOUTS = (DOCS / "cutouts.md").read_text()


async def test_every_url_of_a_cutout_works(page: TestClient):
    """The examples of the page are cutouts of the demo archive, those of IRSA's page among them."""
    urls = set(re.findall(rf"{WRITTEN_FOR}(/ibe/[^\"]+)", CUTOUTS))
    for url in urls:
        async with page.get(url) as answer:
            assert answer.status == 200, url

    assert len(urls) == 7


def test_the_page_tells_every_status():
    """Each status that an error can have stands in the table of errors."""
    rows = re.findall(r"^\| ([0-9, ]+) \|", CUTOUTS, re.MULTILINE)

    assert {int(status) for row in rows for status in row.split(", ")} >= set(STATUS.values())


@pytest.mark.parametrize("number", [0, 1])
def test_the_python_of_the_page_runs(demo_archive: Path, tmp_path: Path, number: int):
    """The programs of the page on Python run on a file of the demo archive."""
    shutil.copy(next(demo_archive.rglob("*w1-int-1b.fits")), tmp_path / "image.fits")
    shutil.copy(next(demo_archive.rglob("*w1-unc-1b.fits.gz")), tmp_path / "image.fits.gz")
    programs = re.findall(r"```python\n(.*?)```", (DOCS / "python.md").read_text(), re.DOTALL)
    program = f"import gateway\n{programs[number]}\nprint(hdus and hdus[0].shape)"
    shown = asyncio.run(run(sys.executable, "-W", "error", "-c", program, cwd=tmp_path))

    assert shown.strip() == ("(50, 100)", "None")[number]
