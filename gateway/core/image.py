"""Image: what a cutout needs to know of an HDU that can be cut. No I/O.

A tile-compressed image lies in a binary table, and is described as the plain image that it stands
for; everything above this module then treats both alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gateway.core.edit import HeaderTemplate, make_template
from gateway.core.header import Header
from gateway.core.layout import FitsLayout, Hdu
from gateway.core.tiles import TiledImage, is_tiled, parse_tiled_image
from gateway.core.unpack_header import unpack_header
from gateway.core.wcs import describes_sky, lookup_tables, trim

CUT_AXES = 2
_NO_TABLES: Mapping[int, bytes] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Image:
    """An array of at least two axes: an HDU that can be cut."""

    hdu: Hdu
    header: Header
    """Of the plain image."""
    bitpix: int
    shape: tuple[int, ...]
    """NAXIS1, NAXIS2, …"""
    template: HeaderTemplate
    celestial: bool
    """Whether its header claims to place it on the sky."""
    wcs_cards: bytes
    """What its world coordinates are made from; empty if it is not on the sky."""
    tables: frozenset[tuple[str, int]]
    """EXTNAME and EXTVER of the lookup tables of its distortion."""
    tiles: TiledImage | None
    """How it is compressed, if it is."""

    @property
    def pixel_bytes(self) -> int:
        """Bytes of one pixel."""
        return abs(self.bitpix) // 8


@dataclass(frozen=True, slots=True)
class Parent:
    """A file that cutouts are made of: its HDUs, and the images among them."""

    layout: FitsLayout
    images: dict[int, Image]
    """By the index of the HDU, in order."""
    lookups: dict[int, tuple[int, ...]]
    """The index of each HDU that is a lookup table of a distortion -> those of its images."""

    uncut: tuple[int, ...]
    """The indices of the HDUs that are no images, lookup tables among them."""
    has_plane: bool
    """Whether one of the images has two axes."""

    @property
    def memory_bytes(self) -> int:
        """About how much memory this takes."""
        headers = sum(len(hdu.header.cards) for hdu in self.layout.hdus)
        edited = sum(len(i.header.cards) + i.template.size for i in self.images.values())
        tables = sum(len(i.tiles.table.kept) for i in self.images.values() if i.tiles is not None)
        return headers + edited + tables + 1000 * len(self.layout.hdus)


def describe_parent(layout: FitsLayout, tables: Mapping[int, bytes] = _NO_TABLES) -> Parent:
    """Describe the images of a file.

    Parameters
    ----------
    layout : FitsLayout
        Its HDUs.
    tables : mapping of int to bytes
        The rows of those compressed images whose rows are kept, by the index of their HDU.

    Raises
    ------
    CorruptFits, UnsupportedFits
        A tile-compressed image cannot be unpacked.
    """
    described = ((hdu, _describe(hdu, tables.get(hdu.index, b""))) for hdu in layout.hdus)
    images = {hdu.index: image for hdu, image in described if image is not None}
    lookups: dict[int, tuple[int, ...]] = {}
    if any(image.tables for image in images.values()):
        for hdu in layout.hdus:
            name = hdu.name, hdu.header.get_int("EXTVER", 1)
            owners = tuple(index for index, image in images.items() if name in image.tables)
            if owners:
                lookups[hdu.index] = owners
    images = {index: image for index, image in images.items() if index not in lookups}
    has_plane = any(len(image.shape) == CUT_AXES for image in images.values())
    uncut = tuple(hdu.index for hdu in layout.hdus if hdu.index not in images)
    return Parent(layout, images, lookups, uncut, has_plane)


def _describe(hdu: Hdu, rows: bytes) -> Image | None:
    tiles: TiledImage | None = None
    if is_tiled(hdu):
        tiles = parse_tiled_image(hdu, rows)
        bitpix, shape = tiles.bitpix, tiles.shape
        header = unpack_header(hdu.header)
    elif hdu.is_image:
        header, bitpix, shape = hdu.header, hdu.bitpix, hdu.shape
    else:
        return None
    if len(shape) < CUT_AXES:
        return None
    celestial = describes_sky(header)
    return Image(
        hdu=hdu,
        header=header,
        bitpix=bitpix,
        shape=shape,
        template=make_template(header),
        celestial=celestial,
        wcs_cards=trim(header) if celestial else b"",
        tables=lookup_tables(header) if celestial else frozenset(),
        tiles=tiles,
    )
