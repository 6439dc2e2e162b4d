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
from gateway.core.tile_table import Stored, parse_tile_table
from tests.core.compressed import compress, edited, read_hdus

FLOATS = compress(
    np.random.default_rng(2).normal(50, 3, (8, 40)).astype("f4"),
    compression_type="RICE_1",
    tile_shape=(2, 40),
)
HDU = read_hdus(FLOATS)[1]


def test_rows_are_read_as_astropy_reads_them():
    """The bytes and the scaling of each tile are those that astropy finds in the table."""
    table = parse_tile_table(HDU)
    with fits.open(io.BytesIO(FLOATS), disable_image_compression=True) as hdus:
        rows = hdus[1].data
        for n in range(table.n_rows):
            where = table.rows(n, n + 1)
            entry = table.read_entry(FLOATS[where.start : where.stop], 10**6)
            data = FLOATS[entry.data.start : entry.data.stop]
            assert data == rows["COMPRESSED_DATA"][n].tobytes()
            scale, zero = rows["ZSCALE"][n], rows["ZZERO"][n]
            assert entry.quantization == Quantization(scale, zero, table.blank)
            assert entry.stored is Stored.COMPRESSED


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
    entry = table.read_entry(file[where.start : where.stop], 10**6)
    assert entry.quantization == Quantization(0.25, 0.0, -77)
    assert file[entry.data.start : entry.data.stop] == np.arange(5, dtype=">i2").tobytes()


def test_a_gap_before_the_heap_is_jumped_over():
    """THEAP says where the heap begins; offsets count from there."""
    shifted = parse_tile_table(edited(HDU, THEAP=4 * 32 + 10))
    assert shifted.heap == ByteRange(HDU.data_range.start + 138, HDU.data_range.stop)
    row = struct.pack(">4i2d", 5, 3, 0, 0, 1, 0)
    assert shifted.read_entry(row, 100).data.start == HDU.data_range.start + 141


def test_a_row_says_which_column_holds_its_tile():
    """The columns are asked in order until one is not empty."""
    table = parse_tile_table(HDU)
    entry = table.read_entry(struct.pack(">4i2d", 0, 0, 7, 2, 1, 0), 100)
    assert (entry.stored, entry.data.size) == (Stored.GZIPPED, 7)


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
