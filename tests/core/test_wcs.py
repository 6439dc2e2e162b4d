"""World coordinates, against astropy's own of the whole header."""

import io
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import FK4, FK5, BaseCoordinateFrame, Galactic, SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.errors import NoUsableWcs
from gateway.core.header import Header
from gateway.core.wcs import (
    ImageWcs,
    describes_sky,
    has_celestial_axes,
    has_plate_only,
    lookup_tables,
    separation_deg,
    trim,
)
from tests import strategies
from tests.core.cutting import coordinates_of, parent_of
from tests.core.wcs_forms import (
    ALLSKY,
    CD,
    FORMS,
    J2000,
    NO_CDELT,
    PIXELS,
    PV,
    header_wcs,
    image_wcs,
    projection,
    tan,
)
from tests.fits_files import NX, NY, SIP, TAN, card, image, lookup_file


def sky_of(wcs: WCS, pixels: np.ndarray, frame: BaseCoordinateFrame) -> FK5:
    """Give the J2000 positions of pixels by astropy's world coordinates."""
    celestial = wcs.celestial if wcs.naxis > 2 else wcs
    world = celestial.all_pix2world(pixels, 1)
    lon, lat = world[:, celestial.wcs.lng], world[:, celestial.wcs.lat]
    # not as a SkyCoord: it would keep the equinox through the transformation
    return SkyCoord(lon, lat, unit="deg", frame=frame).frame.transform_to(J2000)


def assert_finds(found: ImageWcs, wcs: WCS, pixels: np.ndarray, frame: BaseCoordinateFrame):
    """Each pixel is found by the position that astropy says it has."""
    sky = sky_of(wcs, pixels, frame)
    assert np.isfinite(sky.ra.deg).all()
    # astropy's way from FK4 to FK5 and back does not quite end where it began
    tolerance_px = 3e-5 if isinstance(frame, FK4) else 1e-6
    for pixel, ra_deg, dec_deg in zip(pixels, sky.ra.deg, sky.dec.deg, strict=True):
        assert found.to_pixel(ra_deg, dec_deg) == pytest.approx(tuple(pixel), abs=tolerance_px)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_each_form_finds_the_pixel_that_astropy_puts_there(form):
    """Sky to pixel is the inverse of astropy's pixel to sky, in every form, to 1e-6 pixel."""
    assert_finds(image_wcs(form.header), form.wcs, form.points, form.frame)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_pixel_to_sky_is_astropys(form):
    """Longitude and latitude come in this order, in the image's own frame."""
    wcs = form.wcs.celestial
    expected = wcs.all_pix2world(form.points, 1)[:, [wcs.wcs.lng, wcs.wcs.lat]]
    found = image_wcs(form.header).to_sky(form.points)
    assert separation_deg(found, expected).max() < 1e-9


def test_sip_without_its_inverse_is_inverted():
    """The distortion at the corner is many pixels, and taken back without AP and BP."""
    pixel = np.array([(1200.0, 1100.0)])
    wcs = header_wcs(fits.Header(SIP))
    assert np.abs(wcs.pix2foc(pixel, 1) - pixel).max() > 20
    assert_finds(image_wcs(fits.Header(SIP)), wcs, pixel, J2000)


def test_sip_and_pv_at_once_mean_sip():
    """The files of PTF say their distortion twice; it is applied once."""
    both = SIP | {"PV1_1": 1.01, "PV2_1": 0.9}
    assert_finds(image_wcs(fits.Header(both)), header_wcs(fits.Header(SIP)), PIXELS, J2000)


def test_a_plate_solution_beside_celestial_axes_is_not_used():
    """The Digitized Sky Survey's polynomials would displace what CTYPE describes."""
    plate = fits.Header(TAN | {f"AMDX{i}": 1e-3 * i for i in range(1, 21)} | {"PLTRAH": 3})
    assert_finds(image_wcs(plate), header_wcs(tan({})), PIXELS, J2000)


REAL = {
    "irsa_wise_1b_sinsip_int.fits": J2000,
    "twomass_proto_sin_crota2_b1950_i32_blank.fits": FK4(equinox="B1950"),
    "bolocam_gps_gc_car_pv.fits": Galactic(),
    "rosat_allsky_glon_ait.fits": Galactic(),
    "l1448_13co_sfl_cube3d.fits": J2000,
    "ned_dss_plate_only.fits": J2000,
    "ctio_tnx_wat_u16.fits": J2000,
    "ctio_mosaic_tpv.fits.gz": J2000,
    "spitzer_irac_tansip_pole_edited.fits": J2000,
    "spitzer_irac_tansip_razero_edited.fits": J2000,
    "tan_axes_swapped_dec_ra.fits": J2000,
    "iris_iras_plate_tan_b1950_naxis3_1.fits": FK4(equinox="B1950"),
    "nvas_vla_sin_4d_degenerate_blank.fits": J2000,
    "first_vla_sin_naxis2_ctype4.fits": J2000,
    "hawc_crab_ra_car_crval2_nonzero.fits.gz": J2000,
    "pmn_1904-66_zea.fits": J2000,
}


@pytest.mark.parametrize("name", REAL)
def test_real_images_are_understood(material: Path, name):
    """Five pixels of each real image are found from the sky that astropy puts there."""
    with warnings.catch_warnings(action="ignore"):
        header = fits.getheader(material / "data" / "fits" / name)
        found = image_wcs(header)
    nx, ny = header["NAXIS1"], header["NAXIS2"]
    shares = np.array([(0.5, 0.5), (0.3, 0.4), (0.7, 0.4), (0.3, 0.6), (0.7, 0.6)])
    pixels = 1 + shares * (nx - 1, ny - 1)
    assert_finds(found, header_wcs(header), pixels, REAL[name])


@pytest.mark.parametrize("name", ["hst_acs_d2im_cpdis_sip.fits.gz", "made"])
def test_lookup_tables_are_applied(name, request):
    """CPDIS and D2IM bend the sky as astropy bends it."""
    if name == "made":
        file, index = lookup_file(), 1
    else:
        path = request.getfixturevalue("material") / "data" / "fits" / name
        with warnings.catch_warnings(action="ignore"), fits.open(path) as hdus:
            buffer = io.BytesIO()
            hdus.writeto(buffer, output_verify="ignore")
        file, index = buffer.getvalue(), 1
    parent = parent_of(file)
    found = coordinates_of(file, parent).wcs_of(index)
    with fits.open(io.BytesIO(file)) as hdus:
        wcs = header_wcs(hdus[index].header, hdus)
    assert len(parent.lookups) == 3
    inside = PIXELS[1:4] * 0.7
    assert np.abs(wcs.p4_pix2foc(inside, 1) - inside).max() > 1e-3
    assert np.abs(wcs.det2im(inside, 1) - inside).max() > 1e-3
    assert_finds(found, wcs, inside, J2000)


def test_the_tables_of_a_distortion_are_named():
    """EXTVER is 1 where it is not said or cannot be read."""
    cards = [
        card("CPDIS1", "'Lookup'"),
        card("CPDIS2", "'LOOKUP'"),
        card("DP2", "'EXTVER: 2.0'"),
        card("D2IMDIS1", "'LOOKUP'"),
        card("D2IM1", "'EXTVER: 1.2.3'"),
        card("D2IMDIS2", "'POLYNOMIAL'"),
    ]
    expected = {("WCSDVARR", 1), ("WCSDVARR", 2), ("D2IMARR", 1)}
    assert lookup_tables(Header(b"".join(cards))) == expected
    assert lookup_tables(Header(b"".join(cards[5:]))) == frozenset()


@pytest.mark.parametrize("version", [b"x", b".", b"9" * 60, b"\xff", b""])
def test_any_version_of_a_table_is_read(version):
    """No value of a distortion's parameters makes the reader raise."""
    cards = card("CPDIS1", "'LOOKUP'") + card("DP1", f"'EXTVER: {version.decode('latin-1')}'")
    assert len(lookup_tables(Header(cards))) == 1


@pytest.mark.parametrize(
    ("types", "celestial"),
    [
        (("RA---TAN", "DEC--TAN"), True),
        (("DEC--TAN", "RA---TAN"), True),
        (("GLON-CAR", "GLAT-CAR"), True),
        (("ELON", "ELAT"), True),
        (("TLON-CAR", "TLAT-CAR"), True),
        (("VELO", "RA---TAN"), False),
        (("LINEAR", "LINEAR"), False),
        (("WAVE", "DEC--TAN"), False),
        (("", ""), False),
    ],
)
def test_images_that_claim_a_sky_are_told_from_others(types, celestial):
    """Both first axes must be celestial; two that are not are no sky."""
    header = Header(b"".join(card(f"CTYPE{i}", f"'{kind}'") for i, kind in enumerate(types, 1)))
    assert has_celestial_axes(header) is celestial
    assert describes_sky(header) is celestial


def test_a_plate_solution_alone_describes_the_sky():
    """Both polynomials count, and only where no celestial axes are; half of them is no plate."""
    plate = card("AMDX1", "67.2") + card("AMDY1", "67")
    axes = card("CTYPE1", "'RA---TAN'") + card("CTYPE2", "'DEC--TAN'")
    assert has_plate_only(Header(plate))
    assert describes_sky(Header(plate))
    assert not has_plate_only(Header(plate + axes))
    assert not describes_sky(Header(card("AMDX1", "67.2")))
    assert not describes_sky(Header(card("AMDX1", "67.2") + card("AMDY1", "'text'")))


THIRD = {"CTYPE3": "FREQ", "CRVAL3": 1.4e9, "CRPIX3": 1.0, "CDELT3": 1e6}
BESIDE = {
    "SIP": (SIP, {"NAXIS": 3, "NAXIS3": 3, "WCSAXES": 3}),
    "TPV": (CD | projection("TPV", **PV), {**THIRD, "CDELT3": None, "CD3_3": 1e6}),
    "a spectral axis that needs a rest frequency": ({}, THIRD | {"CTYPE3": "FELO-HEL"}),
    "a table that is not there": ({}, THIRD | {"CTYPE3": "WAVE-TAB", "PS3_0": "T", "PS3_1": "C"}),
    "a step of 0": ({}, THIRD | {"CDELT3": 0.0}),
    "a unit that is none": ({}, THIRD | {"CUNIT3": "angstroms per pix"}),
    "an unknown type": ({}, THIRD | {"CTYPE3": "WAVE-XYZ"}),
    "a third axis that leans": ({}, THIRD | {"PC3_1": 0.5}),
}


@pytest.mark.parametrize(("cards", "others"), BESIDE.values(), ids=BESIDE)
def test_other_axes_do_not_matter(cards, others):
    """Whatever stands beside the sky, a plane of a cube has the sky of an image."""
    plane = tan(NO_CDELT | cards if "CD1_1" in cards else cards)
    cube = plane.copy()
    cube.update({key: value for key, value in others.items() if value is not None})
    found = ImageWcs(trim(Header(cube.tostring(padding=False, endcard=False).encode())))

    assert_finds(found, header_wcs(plane), PIXELS[:3], J2000)


def test_planes_with_a_sky_of_their_own_are_refused():
    """Where the sky moves from plane to plane, a position has no one place."""
    with pytest.raises(NoUsableWcs):
        image_wcs(tan(THIRD | {"PC1_3": 0.5}))


@pytest.mark.parametrize("keyword", ["CRVAL1", "CRPIX2", "CDELT2"])
def test_exponents_may_be_written_with_a_d(keyword):
    """FITS 4.0, 4.2.4 has E and D; wcslib and astropy's WCS stop reading at a D."""
    plain = tan({})
    cards = [c.encode() for c in map(str, plain.cards) if not c.startswith(keyword)]
    written = card(keyword, f"{plain[keyword] * 100!r}D-2 / of 3D5")
    found = ImageWcs(trim(Header(b"".join(cards) + written)))

    assert_finds(found, header_wcs(plain), PIXELS, J2000)


@pytest.mark.parametrize("axes", [("GLON", "GLAT"), ("ELON", "ELAT")])
def test_a_tpv_without_coefficients_is_a_tan_in_any_frame(axes):
    """The convention's defaults are those of no distortion."""
    distorted, plain = (image_wcs(tan(projection(code, *axes))) for code in ("TPV", "TAN"))

    assert distorted.to_pixel(150.1, 2.2) == plain.to_pixel(150.1, 2.2)


def test_an_approximate_projection_is_used():
    """The polynomials of the quad-cube have an inverse to some arcseconds (Paper II, 5.6.2)."""
    cube = image_wcs(tan(projection("CSC", CRVAL1=0.0, CRVAL2=0.0, CDELT1=-1e-3, CDELT2=1e-3)))
    x, y = cube.to_pixel(0.0183, 0.0127)

    assert np.abs(cube.to_sky(np.array([[x, y]])) - [[0.0183, 0.0127]]).max() < 1e-3


UNUSABLE = {
    "zero CDELT": {"CDELT1": 0.0},
    "two longitudes": {"CTYPE2": "RA---TAN"},
    "two projections": {"CTYPE2": "DEC--SIN"},
    "an unknown projection": projection("XYZ"),
    "a unit of length": {"CUNIT1": "m"},
    "a place on the Earth": projection("CAR", "TLON", "TLAT"),
    "a latitude beyond the pole": {"LATPOLE": 500.0, "CRVAL2": 95.0},
    "no sky": {"CTYPE1": "LINEAR", "CTYPE2": "LINEAR"},
    "a sky on other axes": {"CTYPE1": "WAVE", "CTYPE3": "RA---TAN", "CRVAL3": 1.0, "CDELT3": 1.0},
}


@pytest.mark.parametrize("cards", UNUSABLE.values(), ids=UNUSABLE)
def test_damaged_coordinates_are_refused(cards):
    """What wcslib refuses, and what is no sky, is told as such."""
    with pytest.raises(NoUsableWcs):
        image_wcs(tan(cards))


def test_a_singular_matrix_places_nothing():
    """A CD matrix that maps the image to a line has no way back from the sky."""
    flat = image_wcs(tan(NO_CDELT | {"CD1_1": 1e-4, "CD1_2": 1e-4, "CD2_1": 1e-4, "CD2_2": 1e-4}))
    with pytest.raises(NoUsableWcs, match="cannot be projected"):
        flat.to_pixel(150.1, 2.2)


BEYOND = {
    "the antipode of TAN": ({}, (330.1, -2.2)),
    "the antipode of TPV": (CD | projection("TPV", **PV), (330.1, -2.2)),
    "the antipode of SIP": (SIP, (330.1, -2.2)),
    "behind the horizon of SIN": (projection("SIN"), (280.0, 2.2)),
    "91 degrees away": ({}, (241.1, 0.0)),
    "the antipode of a pixel that holds all of the sky": (
        NO_CDELT | projection("CAR") | {"CD1_1": 1e9, "CD2_2": 1e9},
        (330.1, -2.2),
    ),
}


@pytest.mark.parametrize(("cards", "position"), BEYOND.values(), ids=BEYOND)
def test_what_a_projection_cannot_show_is_refused(cards, position):
    """The far side of the sky has no pixel, whatever the formulas say."""
    with pytest.raises(NoUsableWcs, match="cannot be projected"):
        image_wcs(tan(cards)).to_pixel(*position)


@pytest.mark.parametrize(
    "code", ["TAN", "SIN", "STG", "ARC", "ZEA", "CAR", "CEA", "MER", "SFL", "AIT"]
)
@pytest.mark.parametrize("reference", [(10.0, 20.0), (350.0, -70.0), (120.0, 90.0)])
def test_what_is_not_looked_at_twice_is_right(code, reference):
    """In a plain projection the pixel of any position leads back to it, or there is none."""
    ra_deg, dec_deg = reference
    found = image_wcs(tan(projection(code) | {"CRVAL1": ra_deg, "CRVAL2": dec_deg}))
    rng = np.random.default_rng(1)
    n_placed = 0
    ra_deg, dec_deg = rng.uniform(0, 360, 200), np.degrees(np.arcsin(rng.uniform(-1, 1, 200)))
    for asked in zip(ra_deg, dec_deg, strict=True):
        with suppress(NoUsableWcs):
            placed = found.to_sky(np.array([found.to_pixel(*asked)]))
            gap_deg = separation_deg(placed, np.array([asked]))[0]
            assert gap_deg < 1e-6
            n_placed += 1
    assert n_placed > 50


def test_the_antipode_of_real_distortions_is_refused(material: Path):
    """TNX and TPV have no horizon, and yet the antipode is not served as the centre."""
    for name in ("ctio_tnx_wat_u16.fits", "ctio_mosaic_tpv.fits.gz"):
        with warnings.catch_warnings(action="ignore"):
            found = image_wcs(fits.getheader(material / "data" / "fits" / name))
        centre = found.to_sky(np.array([(200.0, 200.0)]))[0]
        with pytest.raises(NoUsableWcs, match="cannot be projected"):
            found.to_pixel((centre[0] + 180) % 360, -centre[1])


def test_a_distortion_that_cannot_be_inverted_is_refused():
    """A polynomial that maps all columns to one leaves no way back."""
    flat = SIP | {"A_ORDER": 2, "A_2_0": 0.0, "A_1_1": 0.0, "A_1_0": -1.0}
    with pytest.raises(NoUsableWcs, match="cannot be projected"):
        image_wcs(fits.Header(flat)).to_pixel(150.101, 2.201)


def test_a_distortion_that_folds_over_is_refused():
    """Newton's method that runs in circles or away gives no pixel."""
    folding = SIP | {"A_ORDER": 2, "A_2_0": 0.5, "A_1_1": 0.0}
    with pytest.raises(NoUsableWcs, match="cannot be projected"):
        image_wcs(fits.Header(folding)).to_pixel(150.2, 2.2)


def test_corners_beyond_the_edge_of_the_sky_are_no_number():
    """An all-sky image has pixels without sky."""
    sky = image_wcs(tan(projection("AIT", **ALLSKY))).to_sky(np.array([(1.0, 1.0)]))
    assert np.isnan(sky).all()


@pytest.mark.parametrize(
    ("keyword", "field"),
    [
        ("WCSAXES", "44746996"),
        ("WCSAXES", "-1"),
        ("NAXIS", "44746996"),
        ("A_ORDER", "30000"),
        ("BP_ORDER", "30000"),
        ("A_2_0", "'EXTVER: 1'"),
        ("CRPIX3", "'text'"),
    ],
)
def test_numbers_that_would_crash_wcslib_do_not_reach_it(keyword, field):
    """Absurd counts, and text in place of a number, are as if they were not there."""
    cards = "".join(each.image for each in tan({}).cards).encode()
    found = ImageWcs(trim(Header(card(keyword, field) + cards)))
    assert found.to_pixel(150.1, 2.2) == pytest.approx((60.25, 50.75), abs=1e-9)


@given(st.sampled_from([TAN, SIP]), st.lists(strategies.wcs_cards, max_size=5), st.booleans())
@settings(max_examples=60, derandomize=True)
def test_any_coordinates_are_used_or_refused(form, cards, before):
    """Whatever a header says, a pixel is found or there are no usable coordinates."""
    good = [each.image.encode() for each in fits.Header(form).cards]
    header = Header(b"".join(cards + good if before else good + cards))
    assert isinstance(lookup_tables(header), frozenset)
    if describes_sky(header):
        with suppress(NoUsableWcs):
            assert np.isfinite(ImageWcs(trim(header)).to_pixel(150.1, 2.2)).all()


def test_bytes_that_are_no_text_do_not_matter():
    """A comment in Latin-1 and a newline leave the numbers as they are."""
    cards = [each.image.encode() for each in fits.Header(TAN).cards]
    cards[0] = card("CTYPE1", "'RA---TAN'           / pr\xe9cis\n")
    found = ImageWcs(trim(Header(b"".join(cards))))
    assert found.to_pixel(150.1, 2.2) == pytest.approx((60.25, 50.75), abs=1e-9)


def test_only_what_describes_the_sky_is_kept():
    """Images that differ in other cards share their world coordinates."""
    cards = trim(Header(image(cards=TAN | {"OBJECT": "M 31"})[: 80 * 13]))
    other = trim(Header(image(cards=TAN | {"OBJECT": "M 33", "CRPIX1A": 5})[: 80 * 13]))
    assert cards == other
    assert b"CRPIX2" in cards


@given(
    st.floats(0, 359.99),
    st.floats(-89.9, 89.9),
    st.floats(1, NX),
    st.floats(1, NY),
    st.sampled_from([TAN, SIP, TAN | {"CROTA2": 40.0}, TAN | projection("ZEA")]),
)
@settings(max_examples=50)
def test_sky_and_pixel_are_each_others_inverse(ra_deg, dec_deg, x, y, cards):
    """Anywhere on the sky, a pixel's position leads back to it."""
    found = image_wcs(fits.Header(cards | {"CRVAL1": ra_deg, "CRVAL2": dec_deg}))
    lon, lat = found.to_sky(np.array([(x, y)]))[0]
    assert found.to_pixel(lon, lat) == pytest.approx((x, y), abs=1e-6)


@pytest.mark.parametrize(
    ("a", "b", "gap_deg"),
    [
        ((0, 0), (90, 0), 90),
        ((10, 20), (190, -20), 180),
        ((0, 89), (180, 89), 2),
        ((359.5, 0), (0.5, 0), 1),
        ((30, 45), (30, 45 + 1e-9), 1e-9),
        ((7, 7), (7, 7), 0),
    ],
)
def test_distances_are_great_circles(a, b, gap_deg):
    """They are right at any distance, also across the pole and the wrap."""
    found = separation_deg(np.array([a], float), np.array([b], float))
    assert found == pytest.approx([gap_deg], rel=1e-5, abs=1e-15)
