"""Placement: which section of each image a query selects. No I/O."""

from collections.abc import Callable
from enum import Enum

from gateway.core.box import BoxRule, plan_box
from gateway.core.errors import NoOverlap, NoUsableWcs, UnsupportedFits
from gateway.core.image import Image, Parent
from gateway.core.query import CutoutQuery, PixelPosition, PixelSize
from gateway.core.section import Section
from gateway.core.sky_box import plan_sky_box
from gateway.core.wcs import ImageWcs


class Uncut(Enum):
    """What else may become of an image."""

    WHOLE = "it is copied as it is"
    LEFT_OUT = "the requested area lies outside of it"


Placement = Section | Uncut

WcsOf = Callable[[Image], ImageWcs]
"""Gives the world coordinates of an image, or raises NoUsableWcs."""

_PLANE = 2
_NO_OVERLAP = (
    "The requested area does not overlap the image: move center, or enlarge size, until they meet."
)


def place(parent: Parent, query: CutoutQuery, rule: BoxRule, wcs_of: WcsOf) -> dict[int, Placement]:
    """Say for each image of a file, by the index of its HDU, what becomes of it.

    Raises
    ------
    NoOverlap
        The requested area overlaps no image.
    NoUsableWcs
        No image can place the requested position or size.
    UnsupportedFits
        There are arrays, but no image to cut.
    """
    if not parent.images:
        _check_uncut(parent)
        return {}
    if isinstance(query.center, PixelPosition) and isinstance(query.size, PixelSize):
        placements = _place_by_pixels(parent, query.center, query.size, rule)
    else:
        placements = _place_on_sky(parent, query, rule, wcs_of)
    if not any(isinstance(placement, Section) for placement in placements.values()):
        raise NoOverlap(_NO_OVERLAP)
    return placements


def _check_uncut(parent: Parent) -> None:
    """Let a file of tables pass, whole; refuse one of spectra or visibilities."""
    if any(hdu.shape and not hdu.is_table for hdu in parent.layout.hdus):
        raise UnsupportedFits(
            "There is nothing to cut in this file: it has no image of two or more axes."
        )


def _place_by_pixels(
    parent: Parent, center: PixelPosition, size: PixelSize, rule: BoxRule
) -> dict[int, Placement]:
    """Take the same box everywhere: planes are cut, and beside them cubes that lie on the sky."""
    box = plan_box(rule, center.x, center.y, size.x, size.y)
    has_plane = any(len(image.shape) == _PLANE for image in parent.images.values())
    placements: dict[int, Placement] = {}
    for index, image in parent.images.items():
        if has_plane and len(image.shape) > _PLANE and not image.celestial:
            placements[index] = Uncut.WHOLE
        else:
            placements[index] = _clip(box, image)
    return placements


def _place_on_sky(
    parent: Parent, query: CutoutQuery, rule: BoxRule, wcs_of: WcsOf
) -> dict[int, Placement]:
    """Give each image its own box; a mask without coordinates follows the image before it."""
    placements: dict[int, Placement] = {}
    found: dict[tuple[bytes, tuple[int, ...]], Placement | NoUsableWcs | None] = {}
    latest: tuple[tuple[int, ...], Placement] | None = None
    for index, image in parent.images.items():
        key = image.wcs_cards, image.shape[:_PLANE]
        if key not in found:
            found[key] = _find(image, query, rule, wcs_of)
        own = found[key]
        if own is not None:
            latest = key[1], Uncut.LEFT_OUT if isinstance(own, NoUsableWcs) else own
        follows = latest is not None and latest[0] == key[1]
        placements[index] = latest[1] if latest and follows else Uncut.WHOLE
    answers = [answer for answer in found.values() if answer is not None]
    reasons = [answer for answer in answers if isinstance(answer, NoUsableWcs)]
    if not answers:
        raise NoUsableWcs(
            "No image of this file has a usable celestial coordinate system: "
            "give center and size in pixels, as in center=100,80px&size=50px."
        )
    if len(reasons) == len(answers):
        raise reasons[0]
    return placements


def _find(
    image: Image, query: CutoutQuery, rule: BoxRule, wcs_of: WcsOf
) -> Placement | NoUsableWcs | None:
    """Find the section of an image; None if it has no coordinates, the error if they fail."""
    if not image.celestial:
        return None
    try:
        wcs = wcs_of(image)
    except NoUsableWcs:
        return None
    try:
        return _clip(plan_sky_box(wcs, query, rule, image.shape), image)
    except NoUsableWcs as error:
        return error


def _clip(box: Section, image: Image) -> Placement:
    return box.clip(image.shape[0], image.shape[1]) or Uncut.LEFT_OUT
