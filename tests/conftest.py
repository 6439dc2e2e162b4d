"""Fixtures that all tests share."""

import os
import tarfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings

from tests.servers import S3Server, run_seaweedfs

# Busy cores may pause an example for longer than any deadline.
settings.register_profile("gateway", deadline=None)
settings.load_profile("gateway")


def find_material() -> Path:
    """Say where the folder of real files and recorded answers is, or would be."""
    return Path(os.environ.get("GATEWAY_MATERIAL", Path(__file__).parents[2] / "shared"))


@pytest.fixture(scope="session")
def _cache_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Name a folder for each test."""
    folder = tmp_path_factory.mktemp("caches")
    return (folder / f"{n}" for n in count())


@pytest.fixture(autouse=True)
def _own_cache(_cache_folders: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test a cache of its own: files of the same name hold different things."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(next(_cache_folders)))


@pytest.fixture(scope="session")
def material() -> Path:
    """Give the folder of real files and recorded answers; skip without it, but never in CI."""
    folder = find_material()
    if not folder.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"CI must have the test material; GATEWAY_MATERIAL names {folder}.")
        pytest.skip(f"There is no test material at {folder}; GATEWAY_MATERIAL can name it.")
    return folder


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files that a test has just made be mapped, as those of an archive are."""
    monkeypatch.setattr("gateway.storage.local_file._SETTLED_S", -1.0)


@pytest.fixture(scope="session")
def made(material: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpack the made files of the material; tests only read them."""
    folder = tmp_path_factory.mktemp("made")
    with tarfile.open(material / "oracle/made.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder / "made"


@pytest.fixture(scope="session")
def seaweedfs() -> Iterator[S3Server]:
    """Run an S3 server for all tests; each writes to keys of its own."""
    with run_seaweedfs() as server:
        yield server
