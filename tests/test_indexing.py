"""Files are learnt ahead of the first request: all of them, once, whatever comes between."""

import asyncio
import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.config import CollectionSettings, Settings
from gateway.core.box import BoxRule
from gateway.indexing import Indexer, Tally
from gateway.service import open_service
from gateway.storage.archive import Archive, Collection
from tests.fits_files import TAN, image, mef, table
from tests.rounds import FarEngine
from tests.running import REPOSITORY
from tests.storage.engines import make_store

FILE = image(cards=TAN)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Make an archive of two collections, one within the other, and its configuration."""
    for name, content in {
        "archive/a.fits": FILE,
        "archive/deep/er/b.fits": mef(table()),
        "archive/deep/c.fits.gz": FILE,
        "archive/deep/notes.txt": b"no FITS",
        "archive/inner/hidden.fits": FILE,
        "second/d.fits": FILE,
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return write_config(tmp_path, **{"/ibe/data": "archive", "/ibe/data/inner": "second"})


def write_config(folder: Path, **collections: str) -> Path:
    """Write a configuration with a cache of its own."""
    lines = [f"[cache]\ndir = {json.dumps(str(folder / 'cache'))}"]
    for path, name in collections.items():
        lines += ["[[collections]]", f'path = "{path}"', f"url = {json.dumps(str(folder / name))}"]
    config = folder / "gateway.toml"
    config.write_text("\n".join(lines))
    return config


def count_kept(config: Path) -> int:
    """Count the layouts on disk, as far as there are any."""
    path = config.with_name("cache") / "cache.sqlite"
    if not path.exists():
        return 0
    with closing(sqlite3.connect(path)) as connection:
        try:
            ((count,),) = connection.execute(
                "SELECT count(*) FROM blobs WHERE kind LIKE 'layout %'"
            )
        except sqlite3.OperationalError:  # it is just being made
            return 0
    return count


@pytest.mark.parametrize(
    ("path", "count"),
    [
        (None, 4),
        ("/ibe/data", 4),
        ("/ibe/data/", 4),
        ("/ibe/data/deep", 2),
        ("ibe/data/deep/er", 1),
        ("/ibe/data/inner", 1),
    ],
)
def test_a_folder_is_learnt_with_all_below_it(
    config: Path, capsys: pytest.CaptureFixture[str], path: str | None, count: int
):
    """FITS files in the folders and collections below; a second run finds that they are known."""
    command = ["index", *([path] if path else []), "--config", str(config)]

    assert main(command) == 0
    assert capsys.readouterr().out == (f"{count} files: {count} learnt, 0 known before, 0 failed\n")
    assert count_kept(config) == count
    assert main(command) == 0
    assert capsys.readouterr().out == (f"{count} files: 0 learnt, {count} known before, 0 failed\n")


def test_only_what_changed_is_learnt_again(config: Path, capsys: pytest.CaptureFixture[str]):
    """A file that was replaced has another identity."""
    main(["index", "--config", str(config)])
    (config.parent / "archive/a.fits").write_bytes(mef(table()))
    capsys.readouterr()

    assert main(["index", "--config", str(config)]) == 0
    assert capsys.readouterr().out == "4 files: 1 learnt, 3 known before, 0 failed\n"
    assert count_kept(config) == 4


def test_what_cannot_be_learnt_is_told(config: Path, capsys: pytest.CaptureFixture[str]):
    """Each failure with its path and its reason; the other files are learnt all the same."""
    (config.parent / "archive/a.fits").write_bytes(b"<html>not here</html>" * 200)

    assert main(["index", "--config", str(config)]) == 1
    captured = capsys.readouterr()
    assert captured.out == "4 files: 3 learnt, 0 known before, 1 failed\n"
    assert "/ibe/data/a.fits: This is not a FITS file" in captured.err


def test_a_folder_that_is_not_there_is_a_failure(config: Path, capsys: pytest.CaptureFixture[str]):
    """It is told like a file that cannot be read."""
    assert main(["index", "/ibe/data/none", "--config", str(config)]) == 1
    assert "/ibe/data/none/: There is no such" in capsys.readouterr().err


def test_there_must_be_a_cache(config: Path, capsys: pytest.CaptureFixture[str]):
    """To learn what is lost at once would be a waste."""
    config.with_name("cache").write_bytes(b"a file in the folder's place")

    assert main(["index", "--config", str(config)]) == 2
    assert "no cache to fill" in capsys.readouterr().err


def test_nobody_at_once_is_refused(capsys: pytest.CaptureFixture[str]):
    """At least one file is read at a time."""
    with pytest.raises(SystemExit):
        main(["index", "--at-once", "0"])
    assert "at least 1" in capsys.readouterr().err


def test_an_interruption_loses_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """After Ctrl-C in the middle, the same command goes on where it was."""
    n_files = 1000
    (tmp_path / "archive").mkdir()
    for n in range(n_files):
        (tmp_path / f"archive/{n}.fits").write_bytes(FILE)
    config = write_config(tmp_path, **{"/ibe/data": "archive"})
    arguments = ["index", "--config", str(config), "--at-once", "1"]
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", *arguments],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        while count_kept(config) < 20:
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.02)
                break
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=20)
    kept = count_kept(config)

    assert process.returncode == 130
    assert said.startswith("Interrupted")
    assert 20 <= kept < n_files
    assert main(arguments) == 0
    assert f"{n_files - kept} learnt, {kept} known before" in capsys.readouterr().out


async def test_a_bounded_number_is_read_at_once(tmp_path: Path):
    """Many files wait for their turn, and each is asked for once."""
    engine = FarEngine({f"{n}.fits": FILE for n in range(40)})
    collection = CollectionSettings(path="/ibe/data", url="memory://x")
    service = open_service(Settings(cache={"dir": tmp_path}))
    found = Collection(collection, make_store(engine), BoxRule.EXACT)
    service.archive = Archive({collection.path: found})
    tally = Tally()
    indexer = Indexer(tally, 5, lambda: None, lambda *_: None)
    await asyncio.wait_for(indexer.run(service, ("ibe", "data")), 20)
    await service.close()

    assert (tally.found, tally.learnt, tally.failed) == (40, 40, 0)
    assert 1 < engine.most_at_once <= 5
    assert len(engine.requests) == 80
