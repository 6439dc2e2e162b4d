"""Placements: what becomes of each image of a file."""

from dataclasses import dataclass

import pytest

from gateway.core.box import BoxRule
from gateway.core.errors import NoOverlap, NoUsableWcs, UnsupportedFits
from gateway.core.placement import Placement, Uncut, place
from gateway.core.query import parse_query, split_query
from gateway.core.section import Section
from tests.core.compressed import compress
from tests.core.cutting import coordinates_of, parent_of
from tests.fits_files import (
    NX,
    NY,
    TAN,
    card,
    extension,
    header,
    image,
    mandatory,
    mef,
    pixels,
    spectrum,
    table,
)

WHOLE, LEFT_OUT = Uncut.WHOLE, Uncut.LEFT_OUT
BOX = Section(50, 70, 40, 60)
PIXELS = "center=60,50px&size=20px"
SKY = "center=150.1,2.2&size=20arcsec"
SKY_BOX = Section(50, 70, 40, 60)  # around pixel 60.25, 50.75
FAR = TAN | {"CRVAL1": 151.0}
BROKEN = TAN | {"CTYPE2": "DEC--SIN"}
BEHIND = TAN | {"CRVAL1": 330.1, "CRVAL2": -2.2}


def placements(file: bytes, query: str) -> dict[int, Placement]:
    """Place a query in a file."""
    parent = parent_of(file)
    parsed = parse_query(split_query(query))
    return place(parent, parsed, BoxRule.EXACT, coordinates_of(file, parent))


def plane(cards: dict | None = None, shape: tuple[int, ...] = (NY, NX)):
    """Make an extension."""
    return extension(pixels(shape, "u1"), "PLANE", cards)


@dataclass(frozen=True)
class Case:
    """A file, a query, and what becomes of each image."""

    fact: str
    file: bytes
    query: str
    expected: dict[int, Placement]

    def __str__(self):
        return self.fact


CASES = [
    Case("one image", image(), PIXELS, {0: BOX}),
    Case("one image on the sky", image(cards=TAN), SKY, {0: Section(50, 70, 40, 60)}),
    Case("pixels need no coordinates", image(cards=BROKEN), PIXELS, {0: BOX}),
    Case("clipped", image(), "center=0,0px&size=10px", {0: Section(0, 5, 0, 5)}),
    Case("planes of any size get the same pixels",
         mef(plane(), plane(shape=(45, 55))), PIXELS, {1: BOX, 2: Section(50, 55, 40, 45)}),
    Case("some planes do not reach so far",
         mef(plane(shape=(20, 20)), plane()), PIXELS, {1: LEFT_OUT, 2: BOX}),
    Case("a cube beside a plane is copied", mef(plane(), plane(shape=(3, 101, 101))), PIXELS,
         {1: BOX, 2: WHOLE}),
    Case("a cube on the sky beside a plane is cut", mef(plane(), plane(TAN, (3, NY, NX))), PIXELS,
         {1: BOX, 2: BOX}),
    Case("a cube alone is cut", mef(plane(shape=(3, NY, NX))), PIXELS, {1: BOX}),
    Case("each detector has its own box", mef(plane(TAN), plane(TAN | {"CRPIX1": 70.25})), SKY,
         {1: SKY_BOX, 2: Section(60, 80, 40, 60)}),
    Case("detectors that are elsewhere are left out", mef(plane(FAR), plane(TAN), plane(FAR)), SKY,
         {1: LEFT_OUT, 2: SKY_BOX, 3: LEFT_OUT}),
    Case("a detector on the far side is left out", mef(plane(BEHIND), plane(TAN)), SKY,
         {1: LEFT_OUT, 2: SKY_BOX}),
    Case("a mask follows the image before it", mef(plane(TAN), plane()), SKY,
         {1: SKY_BOX, 2: SKY_BOX}),
    Case("a cube of planes follows too", mef(plane(TAN), plane(shape=(3, NY, NX))), SKY,
         {1: SKY_BOX, 2: SKY_BOX}),
    Case("a mask follows the latest image",
         mef(plane(TAN), plane(TAN | {"CRPIX1": 70.25}), plane()), SKY,
         {1: SKY_BOX, 2: Section(60, 80, 40, 60), 3: Section(60, 80, 40, 60)}),
    Case("a mask follows an image that is left out", mef(plane(TAN), plane(FAR), plane()), SKY,
         {1: SKY_BOX, 2: LEFT_OUT, 3: LEFT_OUT}),
    Case("a mask follows an image that cannot be projected",
         mef(plane(TAN), plane(BEHIND), plane()), SKY,
         {1: SKY_BOX, 2: LEFT_OUT, 3: LEFT_OUT}),
    Case("a mask before the image is copied", mef(plane(), plane(TAN)), SKY,
         {1: WHOLE, 2: SKY_BOX}),
    Case("a plane of another size is copied",
         mef(plane(TAN), plane(shape=(101, 101)), plane()), SKY,
         {1: SKY_BOX, 2: WHOLE, 3: SKY_BOX}),
    Case("broken coordinates are as none", mef(plane(TAN), plane(BROKEN)), SKY,
         {1: SKY_BOX, 2: SKY_BOX}),
    Case("a size on the sky around a pixel", mef(plane(TAN), plane(FAR)),
         "center=60,50px&size=20arcsec", {1: BOX, 2: BOX}),
    Case("a compressed image", compress(pixels((NY, NX), "i2")), PIXELS, {1: BOX}),
    Case("tables alone", mef(table()), SKY, {}),
    Case("nothing at all", header(*mandatory(())), PIXELS, {}),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_each_image_is_cut_copied_or_left_out(case):
    """The table of what becomes of images."""
    assert placements(case.file, case.query) == case.expected


@pytest.mark.parametrize(
    ("file", "query"),
    [
        (image(), "center=-50,50px&size=100px"),
        (mef(plane(), plane()), "center=500,50px&size=10px"),
        (image(cards=TAN), "center=150.2,2.2&size=10arcsec"),
        (mef(plane(FAR), plane()), SKY),
        (mef(plane(FAR), plane(BEHIND)), SKY),
        (mef(plane(), plane(FAR)), SKY),
    ],
)
def test_where_no_image_overlaps_there_is_no_cutout(file, query):
    """A cutout has pixels of one image at least."""
    with pytest.raises(NoOverlap, match="does not overlap"):
        placements(file, query)


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        (image(), "No image of this file has a usable celestial coordinate system"),
        (image(cards=BROKEN), "No image of this file has a usable celestial coordinate system"),
        (mef(plane(BROKEN), plane()), "give center and size in pixels"),
        (image(cards=BEHIND), "cannot be projected"),
        (mef(plane(BEHIND), plane(BEHIND), plane()), "cannot be projected"),
    ],
)
def test_where_no_image_can_place_the_sky_the_reason_is_told(file, problem):
    """Without coordinates the message says what to do; else it says why they fail."""
    with pytest.raises(NoUsableWcs, match=problem):
        placements(file, SKY)


GROUPS = [*mandatory((0, 3), -32), card("GROUPS", "T"), card("PCOUNT", "2"), card("GCOUNT", "4")]


@pytest.mark.parametrize(
    "file",
    [mef(spectrum()), mef(spectrum(), table()), header(*GROUPS).ljust(5760),
     header(*mandatory((0, 5)))],
    ids=["spectrum", "spectrum and table", "random groups", "empty image"],
)  # fmt: skip
@pytest.mark.parametrize("query", [PIXELS, SKY])
def test_a_file_of_spectra_has_nothing_to_cut(file, query):
    """A spectrum or visibilities alone are refused, whatever is asked."""
    with pytest.raises(UnsupportedFits, match="nothing to cut"):
        placements(file, query)
