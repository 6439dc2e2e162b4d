"""Of many images only those that a query may reach are looked at, and none of those is missed."""

import io
from math import cos, radians

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.box import BoxRule
from gateway.core.coordinates import Coordinates
from gateway.core.errors import NoOverlap, NoUsableWcs
from gateway.core.placement import Placement, place
from gateway.core.query import AngularSize, CutoutQuery, PixelSize, SkyPosition
from tests.core.cutting import coordinates_of, parent_of

NX, NY = 40, 30
RA, DEC, STEP = 359.9, 84.0, 0.05  # across the origin of right ascension, where meridians are close


def written(hdus: list) -> bytes:
    """Give the bytes of a file."""
    buffer = io.BytesIO()
    fits.HDUList(hdus).writeto(buffer)
    return buffer.getvalue()


def detectors(n: int) -> bytes:
    """Make a file of `n` x `n` detectors side by side, each turned its own way, with a mask."""
    hdus = [fits.PrimaryHDU()]
    for i in range(n * n):
        angle = radians(37 * i)
        image = fits.ImageHDU(np.zeros((NY, NX), "i2"))
        image.header.update(
            CTYPE1="RA---TAN",
            RADESYS="ICRS",
            CTYPE2="DEC--TAN",
            CRPIX1=20.5,
            CRPIX2=15.5,
            CRVAL1=(RA + STEP * (i % n) / cos(radians(DEC))) % 360,
            CRVAL2=DEC + STEP * (i // n),
            CD1_1=-1e-3 * cos(angle),
            CD1_2=1e-3 * np.sin(angle),
            CD2_1=1e-3 * np.sin(angle),
            CD2_2=1e-3 * cos(angle),
        )
        hdus += [image, fits.ImageHDU(np.zeros((NY, NX), "u1"))]
    return written(hdus)


FILE = detectors(4)
PARENT = parent_of(FILE)
COORDINATES = coordinates_of(FILE, PARENT)


class Thorough(Coordinates):
    """Looks at all images."""

    def near(self, _: CutoutQuery) -> list[int]:
        """Name all."""
        return list(self.followers)


THOROUGH = coordinates_of(FILE, PARENT, Thorough)


def placed(query: CutoutQuery, coordinates: Coordinates) -> dict[int, Placement] | type[Exception]:
    """Give the images that are cut, or the refusal."""
    try:
        found = place(PARENT, query, BoxRule.EXACT, coordinates)
    except (NoOverlap, NoUsableWcs) as error:
        return type(error)
    return {index: each for index, each in found.items() if not hasattr(each, "value")}


sizes = st.one_of(
    st.builds(PixelSize, st.floats(0, 300), st.floats(0, 300)),
    st.builds(AngularSize, st.floats(0, 0.3), st.floats(0, 0.3)),
)


@given(st.floats(-0.6, 2.2), st.floats(-0.1, 0.25), sizes)
def test_no_image_that_a_query_reaches_is_missed(d_ra: float, d_dec: float, size):
    """The circles around the images leave out only images that would be left out anyway."""
    query = CutoutQuery(SkyPosition((RA + d_ra) % 360, DEC + d_dec), size, gzip=None)

    assert placed(query, COORDINATES) == placed(query, THOROUGH)


def test_few_images_are_looked_at():
    """A small query in the middle of a detector reaches it and at most its neighbours."""
    query = CutoutQuery(SkyPosition(RA, DEC), PixelSize(5, 5), gzip=None)

    assert len(COORDINATES.near(query)) < 6 < len(COORDINATES.followers)


def test_masks_follow_their_image():
    """An image without coordinates is cut like the one of its shape before it."""
    query = CutoutQuery(SkyPosition(RA, DEC), PixelSize(5, 5), gzip=None)
    found = placed(query, COORDINATES)

    assert found[1] == found[2]


def test_far_from_all_images_the_first_says_why():
    """Behind the horizon of a projection there is no place, which is another answer than beside."""
    beside = CutoutQuery(SkyPosition(RA, DEC - 20), PixelSize(5, 5), gzip=None)
    behind = CutoutQuery(SkyPosition(RA - 180, -DEC), PixelSize(5, 5), gzip=None)

    assert placed(beside, COORDINATES) is NoOverlap
    assert placed(behind, COORDINATES) is NoUsableWcs


@pytest.mark.parametrize("change", [{"CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN"}, {"CD1_1": 5.0}])
def test_an_image_in_another_frame_or_without_an_end_is_always_looked_at(change):
    """Only what is J2000 and small has a circle of its own."""
    hdus = fits.HDUList.fromstring(FILE)
    hdus[1].header.update(change)
    file = written(hdus)
    parent = parent_of(file)
    query = CutoutQuery(SkyPosition(10, -50), PixelSize(1, 1), gzip=None)

    assert coordinates_of(file, parent).near(query) == [1]


def test_coordinates_are_found_for_an_image_and_for_its_mask():
    """A mask without coordinates lies where the image before it does."""
    file = written(
        [
            fits.PrimaryHDU(),
            fits.ImageHDU(np.zeros((5, 5), "u1")),
            *fits.open(io.BytesIO(detectors(1)))[1:],
        ]
    )
    coordinates = coordinates_of(file, parent_of(file))

    assert coordinates.find(1) is None
    assert coordinates.find(2) is coordinates.find(3) is coordinates.wcs_of(2)
