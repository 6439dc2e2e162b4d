"""Boxes of positions and sizes on the sky, in both rules."""

from math import cos, radians

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.box import BoxRule
from gateway.core.errors import NoUsableWcs
from gateway.core.query import AngularSize, CutoutQuery, PixelPosition, PixelSize, SkyPosition
from gateway.core.section import Section
from gateway.core.sky_box import plan_sky_box
from gateway.core.wcs import ImageWcs, separation_deg
from tests.core.wcs_forms import image_wcs, projection, tan
from tests.fits_files import NX, NY, SIP, TAN

EXACT, IBE = BoxRule.EXACT, BoxRule.IBE
SHAPE = (NX, NY)
ARCSEC = 1 / 3600
PLAIN = image_wcs(tan({}))
ALLSKY = image_wcs(tan(projection("AIT", CDELT1=-3.0, CDELT2=3.0)))


def box(
    center: PixelPosition | SkyPosition,
    size: PixelSize | AngularSize,
    rule: BoxRule = EXACT,
    wcs: ImageWcs = PLAIN,
    shape: tuple[int, ...] = SHAPE,
) -> Section:
    """Plan a box."""
    return plan_sky_box(wcs, CutoutQuery(center, size, gzip=None), rule, shape)


def arcsec(x: float, y: float | None = None) -> AngularSize:
    """Make an angular size."""
    return AngularSize(x * ARCSEC, (x if y is None else y) * ARCSEC)


REFERENCE = SkyPosition(TAN["CRVAL1"], TAN["CRVAL2"])  # at pixel 60.25, 50.75


@pytest.mark.parametrize(
    ("center", "size", "rule", "expected"),
    [
        (REFERENCE, PixelSize(20, 10), EXACT, Section(50, 70, 45, 55)),
        (REFERENCE, PixelSize(20, 10), IBE, Section(49, 70, 45, 56)),
        (REFERENCE, arcsec(20, 10), EXACT, Section(50, 70, 45, 55)),
        (REFERENCE, arcsec(20, 10), IBE, Section(49, 70, 45, 56)),
        (REFERENCE, arcsec(0), EXACT, Section(59, 60, 50, 51)),
        (REFERENCE, arcsec(0), IBE, Section(59, 60, 50, 51)),
        (REFERENCE, arcsec(19.6, 10.4), EXACT, Section(50, 70, 45, 55)),
        (PixelPosition(60.25, 50.75), arcsec(20, 10), EXACT, Section(50, 70, 45, 55)),
        (PixelPosition(60.25, 50.75), arcsec(20, 10), IBE, Section(49, 70, 45, 56)),
        (PixelPosition(29, 50), arcsec(90), EXACT, Section(-16, 74, 5, 95)),
    ],
)
def test_positions_and_sizes_on_the_sky_are_pixels(center, size, rule, expected):
    """At one arcsecond a pixel, an angle is as many pixels, in every mix of units."""
    assert box(center, size, rule) == expected


def test_a_box_of_the_sky_goes_on_to_the_edge_of_its_image():
    """In the production rule the search ends a pixel beyond the image: the rest is clipped."""
    assert box(REFERENCE, AngularSize(5, 5), IBE).clip(*SHAPE) == Section(0, NX, 0, NY)
    assert box(REFERENCE, AngularSize(179, 360), IBE).clip(*SHAPE) == Section(0, NX, 0, NY)


@pytest.mark.parametrize("rule", BoxRule)
@pytest.mark.parametrize(("x", "columns"), [(-9, 1), (-9.6, None), (-300, None), (129.6, 1)])
def test_a_centre_beside_the_image_selects_what_it_reaches(rule, x, columns):
    """An angular size reaches into the image as one in pixels does."""
    section = box(PixelPosition(x, 50), arcsec(20), rule).clip(*SHAPE)
    assert (section.nx if section else None) == columns


@pytest.mark.parametrize("rule", BoxRule)
def test_an_angle_is_measured_on_the_sky(rule):
    """At declination 60 on a plate carrée, a degree of width is two degrees of longitude."""
    car = image_wcs(tan(projection("CAR", CRVAL2=0.0, CRPIX2=-59.25, CDELT1=-0.1, CDELT2=1.0)))
    center = SkyPosition(TAN["CRVAL1"], 60.0)
    section = box(center, AngularSize(1.0, 4.0), rule, car)
    width = 10 / cos(radians(60))
    assert section.nx == pytest.approx(width, abs=1.5)
    assert section.ny == pytest.approx(4, abs=1)


def test_the_exact_rule_takes_the_scale_at_the_centre():
    """Distortion included: the number of pixels is the size over the local scale."""
    wcs = image_wcs(tan(SIP))
    corner = PixelPosition(1000.0, 900.0)
    ends = wcs.to_sky(np.array([(999.5, 900.0), (1000.5, 900.0), (1000.0, 899.5), (1000.0, 900.5)]))
    scales = separation_deg(ends[::2], ends[1::2]) / ARCSEC
    assert np.abs(scales - 1).min() > 0.005
    section = box(corner, arcsec(500), EXACT, wcs)
    assert (section.nx, section.ny) == tuple(np.floor(500 / scales + 0.5))


@given(
    st.floats(1, NX),
    st.floats(1, NY),
    st.floats(0, 100),
    st.sampled_from([PLAIN, image_wcs(tan(SIP)), image_wcs(tan({"CROTA2": 30.0}))]),
)
@settings(max_examples=60)
def test_the_production_rule_ends_where_the_distance_is_half_the_size(x, y, size_arcsec, wcs):
    """Inside the image the last pixel's area holds the point at half the size, both ways."""
    section = box(PixelPosition(x, y), arcsec(size_arcsec), IBE, wcs)
    half = size_arcsec / 2 * ARCSEC
    edges = np.array(
        [(section.x_start + s, y) for s in (0.5, 1.5)]
        + [(section.x_stop + s, y) for s in (-0.5, 0.5)]
        + [(x, section.y_start + s) for s in (0.5, 1.5)]
        + [(x, section.y_stop + s) for s in (-0.5, 0.5)]
    )  # fmt: skip
    gaps = separation_deg(wcs.to_sky(edges), wcs.to_sky(np.array([(x, y)])))
    signs = np.array([-1, -1, 1, 1] * 2) * np.sign(
        np.concatenate([edges[:4, 0] - x, edges[4:, 1] - y])
    )
    outer, inner = [0, 3, 4, 7], [1, 2, 5, 6]
    starts = np.array([section.x_start, section.x_stop, section.y_start, section.y_stop])
    inside = (starts > 0) & (starts < np.array([NX, NX, NY, NY]))
    slack = 2e-6 * ARCSEC  # coordinates are rounded to a millionth of a pixel
    assert (((signs * gaps)[outer] >= half - slack) | ~inside).all()
    assert (((signs * gaps)[inner] <= half + slack) | ~inside).all()


@given(
    st.floats(1, NX),
    st.floats(1, NY),
    st.one_of(st.floats(0, 200).map(arcsec), st.floats(0, 200).map(lambda n: PixelSize(n, n))),
    st.sampled_from(BoxRule),
    st.sampled_from([PLAIN, image_wcs(tan(SIP)), image_wcs(tan(projection("SIN")))]),
)
@settings(max_examples=60)
def test_the_box_holds_the_pixel_of_its_centre(x, y, size, rule, wcs):
    """Wherever in the image the centre lies, its pixel is in the cutout."""
    lon, lat = wcs.to_sky(np.array([(x, y)]))[0]
    section = box(SkyPosition(lon, lat), size, rule, wcs).clip(*SHAPE)
    assert section is not None
    # an even number of pixels lies around the centre, to the left of a half
    assert section.x_start <= x + 1e-5
    assert x - 1e-5 <= section.x_stop + 0.5
    assert section.y_start <= y + 1e-5
    assert y - 1e-5 <= section.y_stop + 0.5


@pytest.mark.parametrize(
    ("ra_deg", "dec_deg"), [(0, 0), (0.4, 0), (359.7, 0), (100, 89.7), (100, -89.7), (0.4, 89.7)]
)
def test_an_angle_at_the_edge_of_a_map_of_all_the_sky(ra_deg, dec_deg):
    """Half a pixel has a scale, too: RA 0 is an ordinary question."""
    cards = projection("CAR", CRVAL1=180.0, CRVAL2=0.0, CRPIX1=180.5, CRPIX2=90.5)
    wcs = image_wcs(tan(cards | {"CDELT1": -1.0, "CDELT2": 1.0}))
    section = box(SkyPosition(ra_deg, dec_deg), AngularSize(0.001, 5), EXACT, wcs, (360, 180))

    assert section.ny == 5


@pytest.mark.parametrize("rule", BoxRule)
def test_an_angle_where_no_sky_is_has_no_length(rule):
    """At the corner of an all-sky image there is no scale."""
    with pytest.raises(NoUsableWcs, match="no sky at the centre"):
        box(PixelPosition(1, 1), AngularSize(1, 1), rule, ALLSKY)


def test_where_the_sky_ends_the_box_goes_on_to_the_edge_of_the_image():
    """A size that reaches beyond the limb of an all-sky image takes the rest of the row."""
    section = box(PixelPosition(60.25, 50.75), AngularSize(361, 2), IBE, ALLSKY)
    assert section.clip(*SHAPE) == Section(0, NX, 49, 51)


def test_an_image_without_an_edge_of_the_sky_is_not_searched_for_one(
    monkeypatch: pytest.MonkeyPatch,
):
    """To halve the way to an edge forty times is for maps of all the sky alone."""
    wcs, looks = image_wcs(tan({})), []
    to_sky = wcs.to_sky
    monkeypatch.setattr(wcs, "to_sky", lambda pixels: looks.append(1) or to_sky(pixels))
    box(REFERENCE, arcsec(20, 10), IBE, wcs)

    assert len(looks) < 10


@pytest.mark.parametrize("code", ["AIT", "SFL", "MOL"])
@pytest.mark.parametrize("short_px", [0.6, 0.9, 2.0])
@pytest.mark.parametrize("start", [(60.25, 50.75), (45.0, 62.3), (80.5, 30.0)])
def test_a_size_that_is_reached_just_before_the_sky_ends(code, short_px, start):
    """With half a pixel of sky behind it, the box ends where the distance is half the size."""
    wcs = image_wcs(tan(projection(code, CDELT1=-3.0, CDELT2=3.0)))
    x, y = start
    ways = x - np.arange(0, 60, 0.01)
    sky = wcs.to_sky(np.stack([ways, np.full_like(ways, y)], axis=1))
    edge = int(np.isnan(sky).any(axis=1).argmax())
    gaps = separation_deg(sky[: edge - int(short_px * 100)], sky[:1])
    section = box(PixelPosition(x, y), AngularSize(2 * gaps[-1], 1), IBE, wcs)
    reached = int((gaps >= gaps[-1]).argmax())  # on some ways the distance shrinks again

    assert abs(section.x_start + 1 - ways[reached]) < 0.52


def test_a_centre_that_cannot_be_projected_is_refused():
    """The antipode has no box."""
    with pytest.raises(NoUsableWcs, match="cannot be projected"):
        box(SkyPosition(330.1, -2.2), PixelSize(5, 5))
