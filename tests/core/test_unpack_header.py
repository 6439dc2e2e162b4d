"""The header of a compressed image, as it was before."""

import io
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from gateway.core.header import Header, pad_to_block
from gateway.core.tiles import is_tiled
from gateway.core.unpack_header import unpack_header
from tests.core.compressed import compress, edited, read_hdus

PIXELS = np.arange(60, dtype="i2").reshape(3, 4, 5)

OWN_CARDS = [
    "EXTNAME = 'SCI     '           / my name",
    "OBJECT  = 'M 13    '           / kept as it is",
    "BLANK   =               -32768",
    "BSCALE  =                  2.5",
    "CRPIX1  =  1.500000000000E+00  /odd spacing",
    "COMMENT ZNAXIS1 and TFIELDS are only words here",
    "HIERARCH ESO ZNAXIS1 = 17",
    "",
    "ZPOS    =                   12 / a keyword that only looks like the compressor's",
    "TELESCOP= 'T1      '",
]


def plain_header(*cards):
    """Make the header of a plain image of three axes."""
    header = fits.ImageHDU(PIXELS).header
    text = "".join(card.image for card in header.cards) + "".join(c.ljust(80) for c in cards)
    return Header(text.encode("ascii"))


def packed_header(*cards):
    """Rename and add what a compressor does, as in FITS 4.0, 10.1."""
    table = read_hdus(compress(PIXELS, compression_type="RICE_1"))[1].header
    return Header(table.cards + "".join(c.ljust(80) for c in cards).encode("ascii"))


def test_the_header_of_an_extension_comes_back():
    """All cards are what they were, byte for byte and in order."""
    unpacked = unpack_header(packed_header(*OWN_CARDS))
    assert list(unpacked) == list(plain_header(*OWN_CARDS))


def test_mandatory_cards_come_first_and_keep_their_comments():
    """FITS 4.0, 4.4.1.2 gives their order, wherever the compressor put them."""
    cards = list(packed_header("OBJECT  = 'M 13    '"))
    renamed = b"ZNAXIS2 =                    4 / its own comment".ljust(80)
    others = [card for card in cards if card[:8] != b"ZNAXIS2 "]
    shuffled = [*reversed(others), renamed]
    unpacked = list(unpack_header(Header(b"".join(shuffled))))
    keywords = [card[:8].decode().strip() for card in unpacked[:8]]
    assert keywords == [
        "XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "NAXIS3", "PCOUNT", "GCOUNT"
    ]  # fmt: skip
    assert unpacked[4] == b"NAXIS2  =                    4 / its own comment".ljust(80)


def test_what_the_compressor_adds_is_gone():
    """Its name for the table, its keywords and both pairs of checksums are not the image's."""
    packed = packed_header(
        "EXTNAME = 'COMPRESSED_IMAGE'",
        "THEAP   =                  120",
        "ZQUANTIZ= 'SUBTRACTIVE_DITHER_1'",
        "ZDITHER0=                 1234",
        "ZBLANK  =          -2147483648",
        "ZSCALE  =                  1.5",
        "ZHECKSUM= 'abcdefghijklmnop'",
        "ZDATASUM= '12345   '",
        "CHECKSUM= 'abcdefghijklmnop'",
        "DATASUM = '12345   '",
        "ZSIMPLE =                    T",
        "ZEXTEND =                    T",
    )
    assert list(unpack_header(packed)) == list(plain_header())


def test_a_first_image_comes_back_as_an_extension():
    """ZSIMPLE is no reason to write SIMPLE where a primary header already stands."""
    table = edited(read_hdus(compress(PIXELS, compression_type="RICE_1"))[1], ZSIMPLE=True,
                   ZTENSION=None, ZPCOUNT=None, ZGCOUNT=None)  # fmt: skip
    unpacked = unpack_header(table.header)
    header = fits.Header.fromstring(unpacked.cards.decode("ascii"))
    assert header == fits.ImageHDU(PIXELS).header


REAL = ["m13_dss_gzip1.fits", "m13_dss_plio.fits", "m13_dss_rice.fits"]


@pytest.mark.parametrize("name", REAL)
def test_real_headers_come_back(material: Path, name):
    """The compressed versions of a real image have the cards of the image itself."""
    folder = material / "data" / "fits"
    first = 5  # SIMPLE, BITPIX, NAXIS, NAXIS1, NAXIS2
    plain = list(read_hdus((folder / "m13_dss_plain_i16.fits").read_bytes())[0].header)
    dropped = (b"EXTEND  ", b"CHECKSUM", b"DATASUM ")
    own = [card for card in plain[first:] if card[:8] not in dropped]
    packed = read_hdus((folder / name).read_bytes())[1].header
    mandatory = 7  # XTENSION, BITPIX, NAXIS, NAXIS1, NAXIS2, PCOUNT, GCOUNT
    unpacked = list(unpack_header(packed))
    assert unpacked[1:5] == plain[1:5]
    assert unpacked[mandatory:] == own


@pytest.mark.parametrize(
    "name",
    ["aips_gorilla_sin_b1950_rice_i16.fits", "lsstcam_sim_raw_16amps.fits.fz",
     "panoptes_solved_tansip_rice.fits.fz"],
)  # fmt: skip
def test_unpacked_real_headers_are_valid(material: Path, name):
    """With the pixels behind it, each is an image extension that astropy finds no fault with."""
    path = material / "data" / "fits" / name
    packed = next(hdu for hdu in read_hdus(path.read_bytes()) if is_tiled(hdu))
    with fits.open(path, do_not_scale_image_data=True) as original:
        expected = original[packed.index].data
    primary = fits.PrimaryHDU().header.tostring().encode("ascii")
    unpacked = unpack_header(packed.header).to_bytes()
    pixels = expected.astype(expected.dtype.newbyteorder(">")).tobytes()
    file = primary + unpacked + pixels.ljust(pad_to_block(len(pixels)), b"\0")
    with fits.open(io.BytesIO(file), do_not_scale_image_data=True) as hdus:
        hdus.verify("exception")
        assert isinstance(hdus[1], fits.ImageHDU)
        np.testing.assert_array_equal(hdus[1].data, expected)
