"""Placement: which section of each image a query selects. No I/O."""

from enum import Enum

from gateway.core.box import BoxRule, plan_box
from gateway.core.coordinates import Coordinates
from gateway.core.errors import NoOverlap, NoUsableWcs, UnsupportedFits
from gateway.core.image import CUT_AXES, Image, Parent
from gateway.core.query import CutoutQuery, PixelPosition, PixelSize
from gateway.core.section import Section
from gateway.core.sky_box import plan_sky_box


class Uncut(Enum):
    """What else may become of an image."""

    WHOLE = "it is copied as it is"
    LEFT_OUT = "the requested area lies outside of it"


Placement = Section | Uncut

_NO_OVERLAP = (
    "The requested area does not overlap the image: move center, or enlarge size, until they meet."
)


def place(
    parent: Parent, query: CutoutQuery, rule: BoxRule, coordinates: Coordinates | None
) -> dict[int, Placement]:
    """Say for the images of a file, by the index of their HDU, what becomes of them.

    Parameters
    ----------
    parent : Parent
        The file.
    query : CutoutQuery
        What is asked for.
    rule : BoxRule
        How pixels are counted.
    coordinates : Coordinates or None
        Of the file; only needed if the query `needs_sky`.

    Returns
    -------
    dict of int to Placement
        An image that is not in it is left out.

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
    elif coordinates is None:
        raise ValueError("a query on the sky needs coordinates")
    else:
        placements = _place_on_sky(parent, query, rule, coordinates)
    if Section not in map(type, placements.values()):
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
    placements: dict[int, Placement] = {}
    for index, image in parent.images.items():
        if parent.has_plane and len(image.shape) > CUT_AXES and not image.celestial:
            placements[index] = Uncut.WHOLE
        else:
            placements[index] = _clip(box, image)
    return placements


def _place_on_sky(
    parent: Parent, query: CutoutQuery, rule: BoxRule, coordinates: Coordinates
) -> dict[int, Placement]:
    """Give each image its own box; a mask without coordinates follows the image before it."""
    if not coordinates.followers:
        raise NoUsableWcs(
            "No image of this file has a usable celestial coordinate system: "
            "give center and size in pixels, as in center=100,80px&size=50px."
        )
    placements: dict[int, Placement] = dict.fromkeys(coordinates.loose, Uncut.WHOLE)
    near, reasons = coordinates.near(query), []
    for index in near:
        image = parent.images[index]
        try:
            box = plan_sky_box(coordinates.wcs_of(index), query, rule, image.shape)
            placement = _clip(box, image)
        except NoUsableWcs as error:
            reasons.append(error)
            placement = Uncut.LEFT_OUT
        placements.update(dict.fromkeys(coordinates.followers[index], placement))
    if len(reasons) == len(near):
        raise reasons[0]
    return placements


def _clip(box: Section, image: Image) -> Placement:
    return box.clip(image.shape[0], image.shape[1]) or Uncut.LEFT_OUT
