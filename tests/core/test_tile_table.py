"""Where the tiles of a compressed image lie."""

import io
import struct
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

from gateway.core.errors import CorruptFits, UnsupportedFits
from gateway.core.quantization import Quantization
from gateway.core.ranges import ByteRange
from gateway.core.tile_table import Column, Stored, parse_tile_table
from tests.core.compressed import compress, edited, read_hdus

FLOATS = compress(
    np.random.default_rng(2).normal(50, 3, (8, 40)).astype("f4"),
    compression_type="RICE_1",
    tile_shape=(2, 40),
)
HDU = read_hdus(FLOATS)[1]


def packed(file, entry):
    """Give the compressed bytes of a tile."""
    return file[entry.data.start : entry.data.stop]


def test_rows_are_read_as_astropy_reads_them():
    """The bytes and the scaling of each tile are those that astropy finds in the table."""
    table = parse_tile_table(HDU)
    where = table.rows(0, table.n_rows)
    entries = table.read_entries(FLOATS[where.start : where.stop], 10**6)
    assert [entry.stored for entry in entries] == [Stored.COMPRESSED] * 4
    with fits.open(io.BytesIO(FLOATS), disable_image_compression=True) as hdus:
        rows = hdus[1].data
        for n in range(table.n_rows):
            assert packed(FLOATS, entries[n]) == rows["COMPRESSED_DATA"][n].tobytes()
            scale, zero = rows["ZSCALE"][n], rows["ZZERO"][n]
            assert entries[n].quantization == Quantization(scale, zero, table.blank)


def test_all_widths_of_columns_are_known():
    """Columns that mean nothing here are jumped over, whatever their types."""
    spare = {"A": "SPARE", "X": b"1", "C": 1j, "M": 1j, "K": 1, "E": 1.5, "J": 2, "L": True}
    columns = [
        fits.Column("SPARE1", "7A", array=["SPARE"]),
        fits.Column("SPARE2", "11X", array=np.zeros((1, 11), bool)),
        *(fits.Column(f"C{form}", form, array=[spare[form]]) for form in "CMKEJL"),
        fits.Column("SPARE3", "3I", array=[[1, 2, 3]]),
        fits.Column("COMPRESSED_DATA", "QI", array=np.array([np.arange(5), 0], object)[:1]),
        fits.Column("ZBLANK", "J", array=[-77]),
        fits.Column("ZSCALE", "E", array=[0.25]),
    ]
    buffer = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(buffer)
    file = buffer.getvalue()
    table = parse_tile_table(read_hdus(file)[1])
    where = table.rows(0, 1)
    (entry,) = table.read_entries(file[where.start : where.stop], 10**6)
    assert entry.quantization == Quantization(0.25, 0.0, -77)
    assert packed(file, entry) == np.arange(5, dtype=">i2").tobytes()


def test_a_gap_before_the_heap_is_jumped_over():
    """THEAP says where the heap begins; offsets count from there."""
    shifted = parse_tile_table(edited(HDU, THEAP=4 * 32 + 10))
    assert shifted.heap == ByteRange(HDU.data_range.start + 138, HDU.data_range.stop)
    row = struct.pack(">4i2d", 5, 3, 0, 0, 1, 0)
    (entry,) = shifted.read_entries(row, 100)
    assert entry.data.start == HDU.data_range.start + 141


def test_a_row_says_which_column_holds_its_tile():
    """The columns are asked in order until one is not empty; what others say does not matter."""
    table = parse_tile_table(HDU)
    rows = [(0, 0, 7, 2), (3, 1, 0, 0), (4, 2, -9, -9)]
    entries = table.read_entries(b"".join(struct.pack(">4i2d", *row, 1, 0) for row in rows), 100)
    assert [entry.stored.name for entry in entries] == ["GZIPPED", "COMPRESSED", "COMPRESSED"]
    assert [entry.data.size for entry in entries] == [7, 3, 4]
    assert [entry.data.start - table.heap.start for entry in entries] == [2, 1, 2]
    assert [entry.quantization is None for entry in entries] == [True, False, False]


@pytest.mark.parametrize("length", [2**62, 2**63 - 1, -(2**63), 1])
def test_absurd_numbers_do_not_become_ordinary_ones(length):
    """A pointer of 64 bits whose product or sum would overflow is corrupt."""
    tiles = {Stored.COMPRESSED: Column(0, "qq", 8)}
    table = replace(parse_tile_table(HDU), row_bytes=16, tiles=tiles, scale=None)
    with pytest.raises(CorruptFits, match="outside the heap"):
        table.read_entries(struct.pack(">2q", length, 2**63 - 4), 100)


@pytest.mark.parametrize(
    ("cards", "problem"),
    [
        ({"TFORM1": "1J"}, "COMPRESSED_DATA"),
        ({"TFORM1": "nonsense"}, "TFORM1"),
        ({"TFORM1": None}, "TFORM1"),
        ({"TFORM3": "1J"}, "ZSCALE"),
        ({"TTYPE3": "ZBLANK"}, "ZBLANK"),
        ({"TFORM4": "999D"}, "wider"),
        ({"TFIELDS": 0}, "no column of tiles"),
        ({"THEAP": 100}, "THEAP"),
        ({"THEAP": 10**9}, "THEAP"),
    ],
    ids=str,
)
def test_broken_tables_are_corrupt(cards, problem):
    """A table that cannot be read is refused by its header alone."""
    with pytest.raises(CorruptFits, match=problem):
        parse_tile_table(edited(HDU, **cards))


def test_a_table_has_two_axes():
    """A binary table of other axes is no table."""
    with pytest.raises(CorruptFits, match="two axes"):
        parse_tile_table(replace(HDU, shape=(32, 4, 1)))


def test_masks_of_null_pixels_are_not_supported():
    """Pixels that a mask would replace are not given as if they were true."""
    with pytest.raises(UnsupportedFits, match="mask"):
        parse_tile_table(edited(HDU, TTYPE2="NULL_PIXEL_MASK"))
