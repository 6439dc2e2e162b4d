"""The store on the file system: the contract, links, and files that change under it."""

import mmap
import os
import resource
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from gateway.core.errors import (
    IsFolder,
    NotFound,
    SourceChanged,
    StorageUnavailable,
)
from gateway.core.ranges import Block
from gateway.storage.local import LocalStore
from gateway.storage.local_file import LocalFile
from tests.storage.contract import CONTENT, FILES, StoreContract

LONG_ROW = 64 * 1024


def write(folder: Path, files: dict[str, bytes]) -> None:
    """Write files below a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def make_store(root: Path, **options) -> LocalStore:
    """Make a store with the limits that a test does not speak of."""
    defaults = {"follow_symlinks": False, "mapped_bytes": 2**20, "open_files": 16}
    return LocalStore(root, **(defaults | options))


async def names(store: LocalStore, key: str = "") -> set[str]:
    """Give the names that a folder lists."""
    return {entry.name async for entry in store.entries(key)}


def count_descriptors() -> int:
    """Count what this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[LocalStore]:
    """Give a store of the contract's files."""
    write(tmp_path / "root", FILES)
    store = make_store(tmp_path / "root")
    yield store
    await store.close()


class TestLocalStore(StoreContract):
    """The contract, on files."""


async def test_a_replaced_file_has_another_identity_and_the_open_one_stays(tmp_path: Path):
    """Who opened the old version reads it to its end; who opens anew gets the new one."""
    write(tmp_path, {"image.fits": CONTENT, "new": CONTENT[::-1]})
    store = make_store(tmp_path)
    old = await store.open("image.fits")
    (tmp_path / "new").replace(tmp_path / "image.fits")
    new = await store.open("image.fits")

    assert old.info.identity != new.info.identity
    assert bytes(await old.read(Block.run(0, 500))) == CONTENT[:500]
    assert bytes(await new.read(Block.run(0, 500))) == CONTENT[::-1][:500]


@pytest.mark.parametrize("size", [0, 100, len(CONTENT) + 1])
async def test_a_file_that_changes_in_place_is_refused(tmp_path: Path, size: int):
    """A file that is cut off or grows while it is read is an error, and no signal ends us."""
    write(tmp_path, {"image.fits": CONTENT})
    stored = await make_store(tmp_path).open("image.fits")
    os.truncate(tmp_path / "image.fits", size)

    with pytest.raises(SourceChanged):
        await stored.read(Block(0, 10, 4096, 2))
    with pytest.raises(SourceChanged):
        stored.read_resident(Block(0, 10, 4096, 2), memoryview(bytearray(20)))


async def test_a_file_that_changes_while_it_is_copied_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """What was copied before it was overwritten and after is no version of it."""
    write(tmp_path, {"image.fits": CONTENT})
    stored = await make_store(tmp_path).open("image.fits")
    copy = LocalFile.copy_resident

    def overwrite(file: LocalFile, block: Block, target: memoryview) -> bool:
        is_there = copy(file, block, target)
        (tmp_path / "image.fits").write_bytes(CONTENT[::-1])
        return is_there

    monkeypatch.setattr(LocalFile, "copy_resident", overwrite)
    with pytest.raises(SourceChanged):
        stored.read_resident(Block(0, 10, 4096, 2), memoryview(bytearray(20)))
    assert stored.bytes_read == 0
    again = await make_store(tmp_path).open("image.fits")
    with pytest.raises(SourceChanged):
        await again.read(Block(0, 10, 4096, 2))


async def test_a_file_that_is_replaced_while_it_is_opened_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Its name always led to a file: it is opened anew, and never said to be absent."""
    write(tmp_path, {"image.fits": CONTENT, "new": CONTENT[::-1]})
    store = make_store(tmp_path)
    resolve = os.path.realpath

    def replace(path: str) -> str:
        if (tmp_path / "new").exists():
            (tmp_path / "new").replace(tmp_path / "image.fits")
        return resolve(path)

    monkeypatch.setattr(os.path, "realpath", replace)
    stored = await store.open("image.fits")

    assert bytes(await stored.read(Block.run(0, 500))) == CONTENT[::-1][:500]


@pytest.mark.parametrize("n_times", [1, 1000])
async def test_a_file_that_shrinks_while_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_times: int
):
    """It is opened anew, or said to change."""
    write(tmp_path, {"image.fits": CONTENT})
    store = make_store(tmp_path)
    sizes = iter(range(len(CONTENT) - 1, len(CONTENT) - 1 - n_times, -1))
    make_map = mmap.mmap

    def shrink(*args: int, **options: int) -> mmap.mmap:
        for size in sizes:
            os.truncate(tmp_path / "image.fits", size)
            break
        return make_map(*args, **options)

    monkeypatch.setattr(mmap, "mmap", shrink)
    if n_times == 1:
        stored = await store.open("image.fits")
        assert bytes(await stored.read(Block.run(0, 500))) == CONTENT[:500]
    else:
        with pytest.raises(SourceChanged, match="ask again"):
            await store.open("image.fits")


async def test_long_rows_are_read_without_a_map(tmp_path: Path):
    """Rows so long that a call each costs nothing come back as they are."""
    content = os.urandom(LONG_ROW * 5)
    write(tmp_path, {"long": content})
    stored = await make_store(tmp_path).open("long")
    rows = bytes(await stored.read(Block(11, LONG_ROW, 2 * LONG_ROW, 2)))

    assert rows == content[11 : 11 + LONG_ROW] + content[11 + 2 * LONG_ROW : 11 + 3 * LONG_ROW]


async def test_a_large_block_of_short_rows(tmp_path: Path):
    """Rows that are many in all are read from the map, and the map is let go of at once."""
    content = os.urandom(2**20) * 6
    write(tmp_path, {"tall": content})
    store = make_store(tmp_path)
    stored = await store.open("tall")
    rows = np.frombuffer(await stored.read(Block(5, 3_000, 4_000, 1500)), np.uint8)
    expected = np.frombuffer(content, np.uint8, 1500 * 4_000, 5).reshape(1500, 4_000)[:, :3_000]

    assert np.array_equal(rows, expected.ravel())
    assert stored._file.mapped_bytes == 0


async def test_a_file_that_changed_of_late_is_not_mapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Who writes it may cut it off while it is copied: its rows are read one by one."""
    monkeypatch.setattr("gateway.storage.local_file._SETTLED_S", 3600.0)
    write(tmp_path, {"fresh": CONTENT})
    stored = await make_store(tmp_path).open("fresh")
    block, target = Block(0, 10, 4096, 2), memoryview(bytearray(20))

    assert bytes(await stored.read(block)) == CONTENT[:10] + CONTENT[4096:4106]
    assert stored.read_resident(block, target)
    assert bytes(target) == CONTENT[:10] + CONTENT[4096:4106]
    assert stored._file.mapped_bytes == 0


async def test_a_file_that_was_evicted_is_read(tmp_path: Path):
    """What lies on the disk alone is either said not to be in memory, or given right."""
    write(tmp_path, {"cold": CONTENT})
    with (tmp_path / "cold").open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    stored = await make_store(tmp_path).open("cold")

    assert bytes(await stored.peek(0, len(CONTENT))) == CONTENT


async def test_reading_goes_on_when_maps_and_descriptors_run_out(tmp_path: Path):
    """With one file kept open and nothing kept mapped, every file still gives its bytes."""
    write(tmp_path, {str(n): bytes([n]) * 9000 for n in range(5)})
    store = make_store(tmp_path, mapped_bytes=0, open_files=1)
    opened = [await store.open(str(n)) for n in range(5)]
    found = [bytes(await each.read(Block(0, 2, 4000, 3))) for each in opened]

    assert found == [bytes([n]) * 6 for n in range(5)]


async def test_files_are_closed_when_nobody_holds_them(tmp_path: Path):
    """A thousand files leave no more descriptors open than the store may keep."""
    write(tmp_path, {str(n): b"x" for n in range(100)})
    store = make_store(tmp_path, open_files=4)
    before = count_descriptors()
    for n in range(100):
        await store.open(str(n))
    during = count_descriptors()
    await store.close()

    assert during <= before + 2 * 4  # a map has a descriptor of its own
    assert count_descriptors() == before


@pytest.mark.parametrize("follow", [False, True])
async def test_links_that_leave_the_collection(tmp_path: Path, *, follow: bool):
    """A link out of the root is neither served nor listed, unless that is configured."""
    root = tmp_path / "root"
    write(tmp_path, {"root/inside.fits": b"in", "outside/secret.fits": b"out"})
    (root / "file.fits").symlink_to(tmp_path / "outside/secret.fits")
    (root / "folder").symlink_to(tmp_path / "outside")
    (root / "relative.fits").symlink_to("../outside/secret.fits")
    (root / "harmless.fits").symlink_to("inside.fits")
    store = make_store(root, follow_symlinks=follow)

    assert bytes(await (await store.open("harmless.fits")).peek(0, 9)) == b"in"
    for key in ("file.fits", "relative.fits", "folder/secret.fits"):
        if follow:
            assert bytes(await (await store.open(key)).peek(0, 9)) == b"out"
        else:
            with pytest.raises(NotFound):
                await store.open(key)
    leaving = {"file.fits", "folder", "relative.fits"} if follow else set()
    assert await names(store) == {"inside.fits", "harmless.fits"} | leaving
    if not follow:
        with pytest.raises(NotFound):
            await names(store, "folder")


async def test_a_sibling_with_the_same_beginning_is_outside(tmp_path: Path):
    """``root-private`` does not lie in ``root``, though its name begins with it."""
    write(tmp_path, {"root/a": b"", "root-private/secret": b"secret"})
    (tmp_path / "root/link").symlink_to("../root-private/secret")

    with pytest.raises(NotFound):
        await make_store(tmp_path / "root").open("link")


async def test_a_link_that_is_turned_after_it_was_opened(tmp_path: Path):
    """A link that led inside and now leads outside is looked at again."""
    write(tmp_path, {"root/inside": b"in", "secret": b"secret"})
    (tmp_path / "root/link").symlink_to("inside")
    store = make_store(tmp_path / "root")
    await store.open("link")
    (tmp_path / "root/link").unlink()
    (tmp_path / "root/link").symlink_to("../secret")

    with pytest.raises(NotFound):
        await store.open("link")


async def test_what_is_no_file_is_neither_served_nor_listed(tmp_path: Path):
    """Pipes, dangling links, loops and names that no URL can hold are not there."""
    write(tmp_path, {"image.fits": b""})
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / os.fsdecode(b"not-utf8-\xff")).write_bytes(b"")
    store = make_store(tmp_path, follow_symlinks=True)

    assert await names(store) == {"image.fits"}
    for key in ("pipe", "dangling", "loop", "x" * 300):
        with pytest.raises(NotFound):
            await store.open(key)


async def test_a_file_that_cannot_be_opened_is_not_absent(tmp_path: Path):
    """An error of the system, here no free descriptor, is `StorageUnavailable`, not `NotFound`."""
    write(tmp_path, {"image.fits": CONTENT})
    store = make_store(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(StorageUnavailable):
            await store.open("image.fits")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert (await store.open("image.fits")).info.size == len(CONTENT)


async def test_a_probe_misses_a_folder_that_is_gone(tmp_path: Path):
    """A collection whose folder does not exist is found out before anyone asks for a file."""
    with pytest.raises(NotFound):
        await make_store(tmp_path / "missing").probe()


async def test_a_root_that_is_a_link(tmp_path: Path):
    """The folder of a collection may itself be a link: what it leads to is the root."""
    write(tmp_path, {"real/image.fits": b"image"})
    (tmp_path / "link").symlink_to("real")
    store = make_store(tmp_path / "link")

    assert bytes(await (await store.open("image.fits")).peek(0, 9)) == b"image"
    with pytest.raises(IsFolder):
        await store.open("")


async def test_files_that_were_closed_do_not_use_up_what_may_stay_mapped(tmp_path: Path):
    """What is read of a file after another took its place does not count for ever."""
    size = 2**20
    write(tmp_path, {str(n): bytes(size) for n in range(60)})
    store = make_store(tmp_path, mapped_bytes=3 * size, open_files=1)
    block = Block(start=0, row_bytes=16, row_stride=size // 2, n_rows=2)
    before = await store.open("0")
    for n in range(1, 60):
        stored = await store.open(str(n))
        await stored.read(block)
        await before.read(block)

        assert stored._file.mapped_bytes > 0
        before = stored


async def test_a_folder_of_any_size_is_listed(tmp_path: Path):
    """A folder that is listed in several goes is listed whole, once, and in order."""
    wanted = sorted(f"{n}.fits" for n in range(2**15 + 2**10))
    for name in wanted:
        os.mknod(tmp_path / name)

    assert [entry.name async for entry in make_store(tmp_path).entries("")] == wanted


async def test_what_comes_and_goes_does_not_end_a_listing(tmp_path: Path):
    """A file that vanishes between its name and its size is left out; links in a circle, too."""
    write(tmp_path, {f"{n}.fits": b"" for n in range(1500)})
    (tmp_path / "circle").symlink_to("circle")
    listing = make_store(tmp_path).entries("")
    first = [await anext(listing) for _ in range(3)]
    (tmp_path / "999.fits").unlink()
    rest = [entry.name async for entry in listing]

    assert [entry.name for entry in first] == ["0.fits", "1.fits", "10.fits"]
    assert len(rest) == 1500 - 3 - 1
    assert {"999.fits", "circle"}.isdisjoint(rest)
