"""The index file is harmed while it is used: it costs what was kept, never an answer."""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path

import pytest
from astropy.io import fits

from tests.faults.conftest import unharmed, write_config
from tests.fits_files import TAN, image, pixels
from tests.running import Gateway, run_gateway

FILES = range(12)
IMAGES = [pixels((60, 50), "i2", seed=n) for n in FILES]
QUERY = "center=30,30px&size=10px&gzip=false"
RIGHT = [image[25:35, 25:35].tolist() for image in IMAGES]
CARDS = TAN | {f"WORD{n}": n for n in range(150)}  # so that a layout takes some pages


def make_archive(folder: Path) -> Path:
    """Write images, each with pixels of its own."""
    archive = folder / "archive"
    archive.mkdir()
    for n in FILES:
        (archive / f"{n}.fits").write_bytes(image(IMAGES[n], CARDS))
    return archive


def configure(archive: Path) -> Path:
    """Write a configuration by which nothing but the index file remembers layouts."""
    path = write_config(archive)
    cache = f'[cache]\ndir = "{archive.parent / "cache"}"\nmemory_bytes = 0\n'
    path.write_text(path.read_text() + cache)
    return path


def cut_all(gateway: Gateway) -> list[list[list[int]]]:
    """Ask for a cutout of every file, and give their pixels."""
    cutouts = [gateway.get(f"/ibe/data/{n}.fits?{QUERY}") for n in FILES]
    return [fits.getdata(BytesIO(cutout)).tolist() for cutout in cutouts]


def count_found(gateway: Gateway, place: str) -> int:
    """Count the layouts that were found in a place so far."""
    name = f'ibe_gateway_layouts_total{{place="{place}"}}'
    lines = gateway.get("/metrics").decode().splitlines()
    return sum(int(float(line.split()[1])) for line in lines if line.startswith(name))


def is_kept(gateway: Gateway) -> bool:
    """Tell whether all layouts come from the index file."""
    before = count_found(gateway, "disk")
    cut_all(gateway)
    return count_found(gateway, "disk") == before + len(FILES)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Name the folder of the index file."""
    return tmp_path_factory.mktemp("index") / "cache"


@pytest.fixture(scope="module")
def gateway(cache: Path) -> Iterator[Gateway]:
    """Run one gateway for all."""
    with run_gateway("serve", "--config", configure(make_archive(cache.parent))) as running:
        yield running


def overwrite(file: Path, start: int, n_bytes: int) -> None:
    """Write random bytes in place."""
    with file.open("r+b") as opened:
        opened.seek(start)
        opened.write(os.urandom(n_bytes))


def lose_pages(file: Path) -> None:
    """Write nonsense over some pages in the middle."""
    overwrite(file, 2 * 4096, 4 * 4096)


def lose_all(file: Path) -> None:
    """Write nonsense over all of it."""
    overwrite(file, 0, file.stat().st_size)


def cut_off(file: Path) -> None:
    """Cut it off within a page."""
    os.truncate(file, 5 * 4096 + 1000)


def empty(file: Path) -> None:
    """Leave nothing of its bytes."""
    os.truncate(file, 0)


def remove_folder(file: Path) -> None:
    """Remove it with its journal and its folder."""
    shutil.rmtree(file.parent)


def replace_by_folder(file: Path) -> None:
    """Put a folder in its place, which nobody who empties a cache would do."""
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize(
    "harm", [lose_pages, lose_all, cut_off, empty, Path.unlink, remove_folder, replace_by_folder]
)
def test_an_index_file_that_is_harmed(
    gateway: Gateway, cache: Path, harm: Callable[[Path], object]
):
    """All answers stay right while the index file is lost, and a new one is begun."""
    file = cache / "cache.sqlite"
    assert cut_all(gateway) == RIGHT
    assert is_kept(gateway)
    with closing(sqlite3.connect(file)) as connection:  # so that it is in the file that is harmed
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with unharmed(gateway):
        harm(file)

        assert cut_all(gateway) == RIGHT
        assert cut_all(gateway) == RIGHT
        if file.is_dir():
            file.rmdir()
            assert cut_all(gateway) == RIGHT
        assert is_kept(gateway)
    assert "Traceback" not in gateway.read_log()


SMALL_DISK = 'mount -t tmpfs -o size=960k none "$0"'
READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0"'


def mounted(folder: Path, mount: str) -> list[str]:
    """Give the command that mounts a folder for its own processes, as root or as if it were."""
    user = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    script = f'{mount} && exec "$@"'
    return ["unshare", *user, "--mount", "sh", "-c", script, str(folder)]


def fill(folder: Path) -> Path:
    """Write a file until the disk is full."""
    file = folder / "filler"
    with pytest.raises(OSError, match="No space left"):
        file.write_bytes(bytes(2**20))
    return file


def swap(archive: Path) -> None:
    """Replace each file by another of them: the last becomes the first."""
    contents = [(archive / f"{n}.fits").read_bytes() for n in FILES]
    for n, content in zip(FILES, reversed(contents), strict=True):
        (archive / "new").write_bytes(content)
        (archive / "new").replace(archive / f"{n}.fits")


def test_a_disk_that_is_full(tmp_path: Path):
    """A full disk costs what is learnt meanwhile; what was kept is given, and kept on."""
    archive, cache = make_archive(tmp_path), tmp_path / "cache"
    cache.mkdir()
    under, config = mounted(cache, SMALL_DISK), configure(archive)
    with run_gateway("serve", "--config", config, under=under) as gateway:
        assert cut_all(gateway) == RIGHT
        swap(archive)
        assert cut_all(gateway) == RIGHT[::-1]
        assert is_kept(gateway)
        with unharmed(gateway):
            filler = fill(Path(f"/proc/{gateway.process.pid}/root{cache}"))
            assert is_kept(gateway)
            swap(archive)
            assert cut_all(gateway) == RIGHT
            assert not is_kept(gateway)
            filler.unlink()
            assert cut_all(gateway) == RIGHT
            assert is_kept(gateway)
        log = gateway.read_log()

    assert log.count("WARNING") == log.count("disk is full") == 1


def test_a_disk_that_is_read_only(tmp_path: Path):
    """Nothing is kept, all is answered, and the log says so once."""
    archive, cache = make_archive(tmp_path), tmp_path / "cache"
    cache.mkdir()
    under, config = mounted(cache, READ_ONLY), configure(archive)
    with run_gateway("serve", "--config", config, under=under) as gateway:
        assert cut_all(gateway) == RIGHT
        with unharmed(gateway):
            assert cut_all(gateway) == RIGHT
        log = gateway.read_log()

    assert log.count("WARNING") == log.count("kept in memory") == 1
