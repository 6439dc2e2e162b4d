"""Sky view: size and orientation of a section, against astropy."""

import astropy.coordinates
import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import pixel_to_skycoord

from gateway.core.section import Section
from gateway.core.sky_view import view_section
from gateway.core.wcs import ImageWcs
from tests.core.cutting import parent_of
from tests.fits_files import SIP, TAN, image

FK5 = {"RADESYS": "FK5"}
FK5_FRAME = astropy.coordinates.FK5(equinox="J2000")
B1950 = TAN | {"RADESYS": "FK4", "EQUINOX": 1950.0}
GALACTIC = TAN | {"CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN"}
SECTION = Section(20, 31, 40, 45)


def wcs_of(cards: dict[str, object]) -> ImageWcs:
    """Make coordinates from cards."""
    return ImageWcs(parent_of(image(cards=cards)).images[0].wcs_cards)


@pytest.mark.parametrize(
    ("cards", "north", "east"),
    [
        (TAN, 0, 90),
        (TAN | {"CDELT1": 1 / 3600}, 0, -90),
        (TAN | {"CROTA2": 30.0}, 30, 120),
        (TAN | {"CDELT1": 1 / 3600, "CDELT2": -1 / 3600}, 180, -90),
    ],
)
def test_north_and_east_are_angles_from_up(cards, north, east):
    """They count counter-clockwise; a mirrored image has its east on the right."""
    view = view_section(SECTION, wcs_of(cards))

    assert view is not None
    turned = (view.north_deg - north + 180) % 360 - 180, (view.east_deg - east + 180) % 360 - 180
    np.testing.assert_allclose(turned, 0, atol=0.01)


@pytest.mark.parametrize(
    "cards", [TAN | FK5, SIP | FK5, GALACTIC, TAN | {"RADESYS": "FK4", "EQUINOX": 1950.0}]
)
def test_the_middle_and_the_sides_are_those_of_astropy(cards):
    """Positions are J2000 whatever the frame; sides are great circles."""
    view = view_section(SECTION, wcs_of(cards))

    wcs = WCS(fits.Header(cards))
    middle = pixel_to_skycoord(26, 43, wcs, origin=1).transform_to(FK5_FRAME)
    left, right = pixel_to_skycoord([20.5, 31.5], 43, wcs, origin=1)
    assert view is not None
    assert view.ra_deg == pytest.approx(middle.ra.deg, abs=1e-8)
    assert view.dec_deg == pytest.approx(middle.dec.deg, abs=1e-8)
    assert view.width_deg == pytest.approx(left.separation(right).deg, rel=1e-4)
    assert view.height_deg == pytest.approx(5 / 3600, rel=0.1)


def test_beyond_the_sky_there_is_no_view():
    """An all-sky projection has corners without sky."""
    cards = TAN | {"CTYPE1": "RA---AIT", "CTYPE2": "DEC--AIT", "CDELT1": -4.0, "CDELT2": 4.0}

    assert view_section(Section(0, 3, 0, 3), wcs_of(cards)) is None
