"""Compressed images for tests: made by astropy, cut by the gateway's pieces without any I/O."""

import io
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from astropy.io import fits

from gateway.core.bands import Band, plan_bands
from gateway.core.header import Header
from gateway.core.layout import Hdu, LayoutScanner
from gateway.core.ranges import ByteRange
from gateway.core.section import Section
from gateway.core.tiles import parse_tiled_image
from gateway.core.unpacking import locate_tiles, unpack


def compress(pixels: np.ndarray, **options) -> bytes:
    """Make a file of one compressed image; the options are those of `CompImageHDU`."""
    buffer = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(pixels, **options)]).writeto(buffer)
    return buffer.getvalue()


def read_hdus(file: bytes) -> tuple[Hdu, ...]:
    """Find the HDUs of a file."""
    scanner = LayoutScanner(
        read_bytes=2**15, max_header_bytes=2**24, max_layout_bytes=2**26, max_hdus=100
    )
    while (wanted := scanner.wanted) is not None:
        scanner.feed(file[wanted.start : wanted.stop])
    return scanner.layout.hdus


def cut(
    file: bytes,
    hdu: Hdu,
    section: Section,
    *,
    band_bytes: int = 2**20,
    max_band_bytes: int = 2**24,
) -> bytes:
    """Cut a section of a compressed image: big-endian pixels in FITS order."""
    image = parse_tiled_image(hdu)
    bands = plan_bands(image, section, band_bytes=band_bytes, max_band_bytes=max_band_bytes)
    return b"".join(unpack_band(file, band) for band in bands)


def unpack_band(file: bytes, band: Band) -> bytes:
    """Decode the pixels of a band, the last tile first."""
    tiles = locate_tiles(band, gather(file, band.rows))
    packed = gather(file, tiles.runs)
    pixels = band.new_pixels()
    for number in reversed(range(len(tiles))):
        unpack(tiles, packed, range(number, number + 1), pixels)
    assert pixels.nbytes == band.size
    return pixels.tobytes()


def gather(file: bytes, ranges: Iterable[ByteRange]) -> bytes:
    """Give the bytes of ranges, one behind the other."""
    return b"".join(file[each.start : each.stop] for each in ranges)


def first_tile(pixels: np.ndarray, compression: str, **options) -> bytes:
    """Compress an image as one tile, and give its bytes."""
    file = compress(pixels, compression_type=compression, tile_shape=pixels.shape, **options)
    image = parse_tiled_image(read_hdus(file)[1])
    nx, ny = image.shape[:2]
    (band,) = plan_bands(image, Section(0, nx, 0, ny), band_bytes=2**24, max_band_bytes=2**24)
    return gather(file, locate_tiles(band, gather(file, band.rows)).runs)


def edited(hdu: Hdu, **values: object) -> Hdu:
    """Change or add cards of an HDU's header; None takes one away."""
    header = fits.Header.fromstring(hdu.header.cards.decode("ascii"))
    for keyword, value in values.items():
        if value is None:
            del header[keyword]
        else:
            header[keyword] = value
    cards = b"".join(card.image.encode("ascii") for card in header.cards)
    return replace(hdu, header=Header(cards))
