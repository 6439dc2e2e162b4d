"""Layouts as bytes: what comes back is what went in."""

from pathlib import Path
from time import perf_counter

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import CorruptFits
from gateway.storage.layout_blob import FileLayout, pack_layout, unpack_layout
from tests.core.cutting import scan
from tests.fits_files import extension, image, mef, pixels, table
from tests.rounds import hdu

FILES = [image(), mef(extension(pixels((3, 20, 30)), "SCI"), table()), image(pixels((4, 5), "i2"))]


TABLES = st.dictionaries(st.just(0), st.binary(min_size=1, max_size=99))


@given(st.sampled_from(FILES), st.integers(0, 2**40), st.booleans(), TABLES)
def test_a_layout_comes_back_as_it_was(
    file: bytes,
    size: int,
    is_gzipped: bool,  # noqa: FBT001
    tables: dict[int, bytes],
):
    """Every header, every place, the size, the packing and the rows are those of the file."""
    found = FileLayout(scan(file), size, is_gzipped, tables)

    assert unpack_layout(pack_layout(found)) == found


def test_the_layouts_of_real_files_come_back(material: Path):
    """Headers that no writer would write again are kept as they are."""
    for path in sorted((material / "data" / "fits").glob("*.f*ts*")):
        file = path.read_bytes()
        try:
            found = FileLayout(scan(file), len(file), is_gzipped=False)
        except CorruptFits:
            continue
        assert unpack_layout(pack_layout(found)) == found, path.name


def test_a_thousand_hdus_are_quick():
    """A large layout is small on disk, and read from there in an instant."""
    file = hdu((), 8, 1, xtension="") + hdu((20, 20), -32, 2) * 999
    found = FileLayout(scan(file), len(file), is_gzipped=False)
    blob = pack_layout(found)
    started = perf_counter()
    again = unpack_layout(blob)

    assert again == found
    assert perf_counter() - started < 1
    assert len(blob) < 1_000_000
