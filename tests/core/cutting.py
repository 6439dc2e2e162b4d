"""The pure core put together: from the bytes of a file to the bytes of a cutout, without I/O."""

import io
import warnings

from astropy.io import fits
from astropy.wcs import WCS

from gateway.core.bands import plan_bands
from gateway.core.box import BoxRule
from gateway.core.coordinates import Coordinates
from gateway.core.errors import CorruptFits, NoUsableWcs
from gateway.core.image import Parent, describe_parent
from gateway.core.layout import FitsLayout, LayoutScanner
from gateway.core.plan import CutoutPlan, Literal, Stored, Unpacked, plan_cutout
from gateway.core.query import parse_query, split_query
from gateway.core.ranges import Block
from gateway.core.section import Section
from gateway.core.tiles import TiledImage
from gateway.core.wcs import ImageWcs, LookupTable
from tests.core.compressed import unpack_band


def scan(file: bytes, **limits: int) -> FitsLayout:
    """Find the HDUs of a file."""
    limits = {
        "read_bytes": 2**15,
        "max_header_bytes": 2**22,
        "max_layout_bytes": 2**23,
        "max_hdus": 1000,
    } | limits
    scanner = LayoutScanner(**limits)
    while (wanted := scanner.wanted) is not None:
        scanner.feed(file[wanted.start : wanted.stop])
    return scanner.layout


def parent_of(file: bytes) -> Parent:
    """Describe a file."""
    return describe_parent(scan(file))


def coordinates_of(
    file: bytes, parent: Parent, kind: type[Coordinates] = Coordinates
) -> Coordinates:
    """Make the world coordinates of a file's images."""
    found: dict[bytes, ImageWcs | NoUsableWcs] = {}
    for image in parent.images.values():
        tables = [
            LookupTable(hdu.header, file[hdu.data_range.start : hdu.data_range.stop])
            for hdu in parent.layout.hdus
            if (hdu.name, hdu.header.get_int("EXTVER", 1)) in image.tables
        ]
        if image.celestial:
            try:
                found[image.wcs_cards] = ImageWcs(image.wcs_cards, tables)
            except NoUsableWcs as error:
                found[image.wcs_cards] = error
    return kind(parent, found)


def plan(file: bytes, query: str, rule: BoxRule = BoxRule.EXACT) -> CutoutPlan:
    """Plan the cutout that a query string asks for."""
    parent = parent_of(file)
    return plan_cutout(parent, parse_query(split_query(query)), rule, coordinates_of(file, parent))


def read_rows(file: bytes, block: Block) -> bytes:
    """Read the rows of a block, packed."""
    starts = range(block.start, block.start + block.n_rows * block.row_stride, block.row_stride)
    rows = b"".join(file[start : start + block.row_bytes] for start in starts)
    if len(rows) != block.size:
        raise CorruptFits("the file ends before the block")
    return rows


def read(file: bytes, planned: CutoutPlan, start: int, stop: int) -> bytes:
    """Read the bytes of a planned answer from `start` to `stop`."""
    found = []
    for piece, first, last in planned.between(start, stop):
        match piece:
            case Literal(data):
                found.append(data[first:last])
            case Stored(planes=planes):
                for block, skip, take in planes.blocks(first, last):
                    rows = read_rows(file, block)
                    found.append(rows[skip : skip + take])
            case Unpacked(tiles, section):
                found.append(unpack_section(file, tiles, section)[first:last])
    return b"".join(found)


def unpack_section(file: bytes, tiles: TiledImage, section: Section) -> bytes:
    """Decode a section of a compressed image."""
    bands = plan_bands(tiles, section, band_bytes=2**20, max_band_bytes=2**24)
    return b"".join(unpack_band(file, band) for band in bands)


def cut(file: bytes, query: str, rule: BoxRule = BoxRule.EXACT) -> bytes:
    """Answer a query string."""
    planned = plan(file, query, rule)
    answer = read(file, planned, 0, planned.size)
    assert len(answer) == planned.size
    return answer


def opened(file: bytes) -> fits.HDUList:
    """Open a file with astropy, and have it checked against the standard."""
    hdus = fits.open(io.BytesIO(file), do_not_scale_image_data=True, memmap=False)
    hdus.verify("exception")
    return hdus


def hdu_bytes(file: bytes, hdu) -> bytes:
    """Give the bytes of an HDU."""
    place = hdu.fileinfo()
    return file[place["hdrLoc"] : place["datLoc"] + place["datSpan"]]


def astropy_wcs(file: bytes, index: int = 0) -> WCS:
    """Make astropy's world coordinates of an image, of its whole header and file."""
    with warnings.catch_warnings(action="ignore"):
        hdus = opened(file)
        return WCS(hdus[index].header, fobj=hdus)
