"""The words of a query, from what Python people have at hand."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import Angle, SkyCoord

from gateway.core.errors import BadParameter
from gateway.core.query import (
    AngularSize,
    PixelPosition,
    PixelSize,
    SkyPosition,
    parse_center,
    parse_size,
)
from gateway.parameters import write_center, write_size

ANDROMEDA = SkyCoord("00h42m44.33s", "+41d16m07.5s")


@pytest.mark.parametrize(
    ("center", "position"),
    [
        ("10.5,-41.25", SkyPosition(10.5, -41.25)),
        ("300.5,120px", PixelPosition(300.5, 120)),
        ((10.5, -41.25), SkyPosition(10.5, -41.25)),
        ([np.float32(10.5), np.int64(-41)], SkyPosition(10.5, -41)),
        (np.array([10.5, -41.25]), SkyPosition(10.5, -41.25)),
        ([10.5, -41.25] * u.deg, SkyPosition(10.5, -41.25)),
        ((630 * u.arcmin, Angle("-41d15m")), SkyPosition(10.5, -41.25)),
        ((Angle("10.5d"), -41.25), SkyPosition(10.5, -41.25)),
        ([300.5, 120] * u.pix, PixelPosition(300.5, 120)),
        ((300.5 * u.pix, 120 * u.pix), PixelPosition(300.5, 120)),
        ((1e-7, 1e-7), SkyPosition(1e-7, 1e-7)),
    ],
)
def test_a_centre(center, position):
    """Texts, pairs and quantities mean the same as in a URL; numbers alone are degrees."""
    assert parse_center(write_center(center)) == position


@pytest.mark.parametrize("frame", ["icrs", "galactic", "barycentrictrueecliptic"])
def test_a_position_in_any_frame(frame):
    """A position is brought to ICRS, to better than a microarcsecond."""
    found = parse_center(write_center(ANDROMEDA.transform_to(frame)))
    assert isinstance(found, SkyPosition)
    there = SkyCoord(found.ra_deg, found.dec_deg, unit="deg")

    assert there.separation(ANDROMEDA) < 1e-6 * u.arcsec


@pytest.mark.parametrize(
    ("size", "full"),
    [
        ("0.25", AngularSize(0.25, 0.25)),
        ("30,45arcsec", AngularSize(30 / 3600, 45 / 3600)),
        (0.25, AngularSize(0.25, 0.25)),
        (1, AngularSize(1, 1)),
        ((1, 0.5), AngularSize(1, 0.5)),
        (15 * u.arcmin, AngularSize(0.25, 0.25)),
        ([15, 30] * u.arcmin, AngularSize(0.25, 0.5)),
        ((15 * u.arcmin, 0.5), AngularSize(0.25, 0.5)),
        (100 * u.pix, PixelSize(100, 100)),
        ((100, 50) * u.pixel, PixelSize(100, 50)),
    ],
)
def test_a_size(size, full):
    """The width comes first; one number is both."""
    assert parse_size(write_size(size)) == full


@pytest.mark.parametrize(
    "center",
    [
        (10, 20, 30),
        10,
        (10 * u.pix, 20 * u.deg),
        (10 * u.pix, 20),
        (10, 20) * u.m,
        SkyCoord([1, 2], [3, 4], unit="deg"),
        (float("nan"), 20),
        (10, 91),
        None,
        ("ten", "twenty"),
    ],
)
def test_what_is_no_centre(center):
    """Everything else is refused like a malformed parameter, and names it."""
    with pytest.raises(BadParameter) as caught:
        parse_center(write_center(center))

    assert caught.value.name == "center"


@pytest.mark.parametrize("size", [-1, (1, 2, 3), 3 * u.s, (1, 1 * u.pix), "x", float("inf")])
def test_what_is_no_size(size):
    """A size is one or two angles or numbers of pixels, none of them negative."""
    with pytest.raises(BadParameter) as caught:
        parse_size(write_size(size))

    assert caught.value.name == "size"
