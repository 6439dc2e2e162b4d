"""The cache file survives what disks and processes do, and says so."""

import asyncio
import logging
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.storage.cache_file import CacheFile
from tests.running import REPOSITORY
from tests.storage.cache_writer import blob_of, names

PLENTY = 2**26


def size_of(folder: Path) -> int:
    """Add up the sizes of the files in a folder; others may remove some meanwhile."""
    size = 0
    for file in folder.iterdir():
        with suppress(FileNotFoundError):
            size += file.stat().st_size
    return size


async def put_and_get(cache: CacheFile, name: str = "a") -> bytes | None:
    """Put a blob and ask for it."""
    await cache.put("layout", name, "1", b"blob")
    return await cache.get("layout", name, "1")


def start_writer(*arguments: object) -> subprocess.Popen[str]:
    """Start a process that writes."""
    command = [sys.executable, "-m", "tests.storage.cache_writer", *map(str, arguments)]
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)


async def count_right(folder: Path, max_bytes: int) -> int:
    """Count what is kept of all that writers may have put; nothing of it is wrong."""
    cache = CacheFile(folder, max_bytes)
    right = 0
    for name in {f"file {n}" for n in range(500)}:
        for identity in "012":
            found = await cache.get("test", name, identity)
            assert found in {None, blob_of(name, identity)}
            right += found is not None
    await cache.close()
    return right


async def test_what_is_put_is_there_for_the_next_process(tmp_path: Path):
    """The folder is made; what was put outlives the process, until it is forgotten."""
    folder = tmp_path / "not" / "there"
    cache = CacheFile(folder, PLENTY)
    assert await put_and_get(cache) == b"blob"
    await cache.close()
    cache = CacheFile(folder, PLENTY)

    assert await cache.get("layout", "a", "1") == b"blob"
    await cache.forget("layout", "a")
    assert await cache.get("layout", "a", "1") is None
    await cache.close()


async def test_after_its_end_nothing_is_kept(tmp_path: Path):
    """A cache file that was closed, or that may have no bytes, answers with nothing."""
    cache = CacheFile(tmp_path / "closed", PLENTY)
    await cache.close()
    none = CacheFile(tmp_path / "none", 0)

    assert await put_and_get(cache) is None
    assert await put_and_get(none) is None
    assert size_of(tmp_path) == 0


async def test_a_folder_that_cannot_be_used_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    """Without a folder the gateway runs on memory, and one line of the log says so."""
    (tmp_path / "file").write_bytes(b"")
    cache = CacheFile(tmp_path / "file" / "folder", PLENTY)

    for _ in range(3):
        assert await put_and_get(cache) is None
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "kept in memory" in record.message
    await cache.close()


@pytest.mark.parametrize("content", [b"no database", bytes(10_000)])
async def test_a_damaged_file_makes_room_for_a_new_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
):
    """A file that is not ours is moved aside, not lost; the log says so."""
    (tmp_path / "cache.sqlite").write_bytes(content)
    cache = CacheFile(tmp_path, PLENTY)

    assert await put_and_get(cache) == b"blob"
    assert (tmp_path / "cache.damaged").read_bytes() == content
    assert len(caplog.records) == 1
    await cache.close()


async def test_damage_while_it_is_used_costs_what_was_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    """Two processes that find the damage agree on the next file."""
    caches = [CacheFile(tmp_path, PLENTY) for _ in range(2)]
    for cache in caches:
        assert await put_and_get(cache) == b"blob"
    connection = sqlite3.connect(tmp_path / "cache.sqlite")
    with connection:
        connection.execute("UPDATE blobs SET data = X'00'")
    connection.close()

    assert [await cache.get("layout", "a", "1") for cache in caches] == [None, None]
    assert [await put_and_get(cache, name) for cache, name in zip(caches, "ab", strict=True)] == [
        b"blob",
        b"blob",
    ]
    assert [await cache.get("layout", "b", "1") for cache in caches] == [b"blob"] * 2
    assert len(caplog.records) == 1
    for cache in caches:
        await cache.close()


async def test_a_file_of_a_newer_program_is_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    """Two versions that run side by side do not fight for the file."""
    cache = CacheFile(tmp_path, PLENTY)
    await put_and_get(cache)
    await cache.close()
    connection = sqlite3.connect(tmp_path / "cache.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = (tmp_path / "cache.sqlite").read_bytes()
    cache = CacheFile(tmp_path, PLENTY)

    assert await put_and_get(cache) is None
    assert "newer" in caplog.text
    assert (tmp_path / "cache.sqlite").read_bytes() == before
    await cache.close()


async def test_a_folder_that_is_removed_is_made_again(tmp_path: Path):
    """Who clears the cache need not restart the gateway."""
    folder = tmp_path / "cache"
    cache = CacheFile(folder, PLENTY)
    await put_and_get(cache)
    shutil.rmtree(folder)

    assert await cache.get("layout", "a", "1") is None
    assert await put_and_get(cache) == b"blob"
    assert (folder / "cache.sqlite").exists()
    await cache.close()


async def test_the_event_loop_does_not_wait_for_the_disk(tmp_path: Path):
    """While another process holds the file, everything else goes on; then what waited is done."""
    cache = CacheFile(tmp_path, PLENTY)
    await put_and_get(cache)
    other = sqlite3.connect(tmp_path / "cache.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = asyncio.create_task(cache.put("layout", "b", "1", b"late"))
    for _ in range(100):
        await asyncio.sleep(0)

    assert not waiting.done()
    other.execute("COMMIT")
    other.close()
    await waiting
    assert await cache.get("layout", "b", "1") == b"late"
    await cache.close()


async def test_many_processes_write_at_once(tmp_path: Path):
    """Three writers in a file that is too small for them: nothing wrong, and within its bound."""
    max_bytes = 2**22
    writers = [start_writer(tmp_path, max_bytes, seed, 150) for seed in range(3)]
    sizes, said = [], []
    for writer in writers:
        with writer:
            for line in writer.stdout or ():
                said.append(line)
                sizes.append(size_of(tmp_path))

    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert "".join(said).count("kept") > 375
    assert await count_right(tmp_path, max_bytes) > 20
    assert max(sizes) <= max_bytes


@pytest.mark.parametrize("lines", [1, 7, 40])
async def test_a_killed_writer_leaves_a_sound_file(tmp_path: Path, lines: int):
    """Whenever a process is killed, what it had kept is there and right."""
    writer = start_writer(tmp_path, PLENTY, 5, 100_000)
    assert writer.stdout
    for _ in range(lines):
        writer.stdout.readline()
    writer.send_signal(signal.SIGKILL)
    rest = writer.communicate()[0].count("\tkept\n")
    latest = dict(names(5, lines + rest))

    assert await count_right(tmp_path, PLENTY) >= len(latest)
    cache = CacheFile(tmp_path, PLENTY)
    assert await put_and_get(cache) == b"blob"
    assert not (tmp_path / "cache.damaged").exists()
    await cache.close()


async def test_a_full_disk_loses_nothing_that_was_kept(tmp_path: Path):
    """Where no more can be written, writing is given up, and what is there is still given."""
    writer = start_writer(tmp_path, PLENTY, 6, 200, 300_000)
    said = writer.communicate()[0]
    kept = said.count("kept")

    assert writer.returncode == 0
    assert kept > 5
    assert said.count("lost") > 50
    assert await count_right(tmp_path, PLENTY) > 5
    assert not (tmp_path / "cache.damaged").exists()
