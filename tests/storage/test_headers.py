"""Headers are read in few rounds of requests, and guesses never change what is found."""

import bz2
import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.errors import CorruptFits, StorageUnavailable, UnsupportedFits
from gateway.core.layout import FitsLayout, LayoutScanner
from gateway.core.ranges import ByteRange
from gateway.storage.headers import read_headers
from gateway.storage.store import StoredObject
from tests.core.cutting import scan
from tests.fits_files import image, mef, pixels, table
from tests.rounds import FarEngine, hdu, spherex_file
from tests.storage.engines import make_store
from tests.stores import FakeObject, make_unpacker

PRIMARY = hdu((), 8, 1, xtension="")
SPHEREX = spherex_file()
QUADRANTS = PRIMARY + b"".join(
    hdu((512, 512), bitpix, blocks) for _ in range(36) for bitpix, blocks in ((-32, 3), (16, 2))
)
SERIES = PRIMARY + hdu((200, 200), -32, 2) * 300
MIB = 2**20
GUESSED = 768 * 1024


def make_scanner() -> LayoutScanner:
    """Make a scanner for any of these files."""
    return LayoutScanner(
        read_bytes=2**15, max_header_bytes=MIB, max_layout_bytes=8 * MIB, max_hdus=1000
    )


def unpack(stored: StoredObject) -> StoredObject:
    """Open a gzip file."""
    return make_unpacker().explore("a", stored)


async def read_layout(
    engine: FarEngine, likely: list[ByteRange] | None = None, guessed_bytes: int = GUESSED
) -> FitsLayout:
    """Read the headers of the only file."""
    scanner = make_scanner()
    stored = await make_store(engine).open("a")
    await read_headers(stored, scanner, likely or [], unpack, guessed_bytes)
    return scanner.layout


@pytest.mark.parametrize(
    ("file", "rounds"),
    [
        (image(pixels((300, 300))), 2),
        (mef(table()), 2),
        (SPHEREX, 3),
        (QUADRANTS, 9),
        (SERIES, 11),
    ],
    ids=["image", "table", "SPHEREx", "72 quadrants", "300 images"],
)
async def test_headers_are_read_in_few_rounds(file: bytes, rounds: int):
    """The rounds, asking for the size among them, grow with the kinds of HDUs, not their number."""
    engine = FarEngine({"a": file})
    layout = await read_layout(engine)
    needed = sum(hdu.header_range.size for hdu in layout.hdus)

    assert layout == scan(file)
    assert engine.rounds <= rounds
    assert engine.bytes_read <= 2 * needed + MIB


async def test_the_headers_of_a_known_kind_are_read_at_once():
    """If they lie where those of a sibling lay, they take one round."""
    engine = FarEngine({"a": SPHEREX})
    layout = scan(SPHEREX)
    found = await read_layout(engine, [hdu.header_range for hdu in layout.hdus])

    assert found == layout
    assert engine.rounds == 2


async def test_a_wrong_guess_costs_a_round():
    """A file of the same size with other headers is read right, if later."""
    engine = FarEngine({"a": SPHEREX})
    other = scan(spherex_file(image_blocks=12))
    found = await read_layout(engine, [hdu.header_range for hdu in other.hdus])

    assert found == scan(SPHEREX)
    assert engine.rounds == 3


async def test_nothing_is_guessed_where_nothing_may_be_read_in_vain():
    """Each header but the second, behind the first, takes a round; so does the file's size."""
    engine = FarEngine({"a": SPHEREX})
    likely = [hdu.header_range for hdu in scan(SPHEREX).hdus]

    assert await read_layout(engine, likely, guessed_bytes=0) == scan(SPHEREX)
    assert engine.rounds == len(likely)


@given(
    st.lists(st.tuples(st.integers(1, 15), st.integers(0, 90)), max_size=6),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 10**5)), max_size=6),
    st.integers(0, 10**6),
)
@settings(max_examples=60)
async def test_no_guess_changes_what_is_found(sizes, guesses, cut):
    """Whatever is guessed, of whatever file, whole or cut off: the layout is the file's."""
    file = PRIMARY + b"".join(hdu((2880, data), 8, header) for header, data in sizes)
    file = file[: max(len(file) - cut, 1)] if cut % 3 else file
    likely = [ByteRange(start, start + size) for start, size in guesses]
    engine = FarEngine({"a": file}, latency_s=0)
    try:
        expected = scan(file)
    except CorruptFits:
        with pytest.raises(CorruptFits):
            await read_layout(engine, likely)
    else:
        assert await read_layout(engine, likely) == expected


async def test_a_guess_that_cannot_be_read_is_silent():
    """Only what is needed can fail; what was guessed in vain, and then is needed, is read again."""
    engine = FarEngine({"a": SPHEREX})
    places = [hdu.header_range for hdu in scan(SPHEREX).hdus]
    engine.unreadable = {places[3].start}

    with pytest.raises(StorageUnavailable):
        await read_layout(engine, places)
    engine.unreadable = {places[3].start + 80}
    likely = [ByteRange(places[3].start + 80, places[3].stop)]
    assert await read_layout(engine, likely) == scan(SPHEREX)


async def test_what_is_in_memory_is_not_guessed():
    """Of a local file whose bytes are at hand no more is read than is needed."""
    near, far = FakeObject(SPHEREX, resident=True), FakeObject(SPHEREX)
    for stored in (near, far):
        await read_headers(stored, make_scanner(), [], unpack, GUESSED)

    assert near.bytes_read <= 6 * 2**15 + 1
    assert far.bytes_read > near.bytes_read


async def test_a_gzip_file_is_unpacked_whatever_its_name_is():
    """The first bytes tell; a gzip file in a gzip file is no FITS file."""
    stored = FakeObject(gzip.compress(image()))
    scanner = make_scanner()
    seen = await read_headers(stored, scanner, [], unpack, GUESSED)

    assert seen is not stored
    assert scanner.layout == scan(image())
    assert seen.info.size == len(image())
    with pytest.raises(CorruptFits):
        await read_headers(
            FakeObject(gzip.compress(gzip.compress(image()))), make_scanner(), [], unpack, GUESSED
        )


@pytest.mark.parametrize(
    ("beginning", "name"),
    [(bz2.compress(image()), "bzip2"), (b"\x1f\x9d\x90" + bytes(99), "compress")],
)
async def test_a_file_packed_otherwise_is_refused_with_a_sentence(beginning: bytes, name: str):
    """No part of it can be read, and the reader is told what to do instead."""
    with pytest.raises(UnsupportedFits, match=f"compressed by {name}.*whole file"):
        await read_headers(FakeObject(beginning), make_scanner(), [], unpack, GUESSED)
