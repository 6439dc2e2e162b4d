"""The sky of cutouts: each pixel keeps the position that it had in the parent."""

import gzip
import io
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from gateway.core.wcs import separation_deg
from tests.core.cutting import astropy_wcs, cut, hdu_bytes, opened
from tests.core.wcs_forms import FORMS
from tests.fits_files import SIP, TAN, card, extension, image, lookup_file, pixels

QUERY = "center=60,50px&size=30,20px"
CORNER = np.array([45, 40])
SKY = "center=150.1,2.2&size=30,20arcsec"


def assert_same_sky(parent: WCS, cutout: WCS, corner: np.ndarray, shape: tuple[int, int]):
    """Compare the sky of the cutout's pixels with the parent's, to 1e-9 degree."""
    ny, nx = shape
    inside = np.array([(1, 1), (nx, 1), (1, ny), (nx, ny), (nx / 2, ny / 3)], float)
    with warnings.catch_warnings(action="ignore"):
        parent, cutout = parent.celestial, cutout.celestial
    before = parent.all_pix2world(inside + corner, 1)[:, [parent.wcs.lng, parent.wcs.lat]]
    after = cutout.all_pix2world(inside, 1)[:, [cutout.wcs.lng, cutout.wcs.lat]]
    seen = np.isfinite(before[:, 0])
    assert seen.any()
    np.testing.assert_array_equal(np.isfinite(after[:, 0]), seen)
    assert separation_deg(before[seen], after[seen]).max() < 1e-9


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_the_sky_of_a_cutout_is_its_parents(form):
    """In every form of coordinates each pixel keeps its position."""
    file = image(cards=form.header)
    assert_same_sky(astropy_wcs(file), astropy_wcs(cut(file, QUERY)), CORNER, (20, 30))


def test_the_sky_of_alternates_is_their_parents():
    """A second description moves with the first."""
    second = {f"{key}B": value for key, value in (TAN | {"CRPIX1": 7.125}).items()}
    file = image(cards=SIP | second)
    with warnings.catch_warnings(action="ignore"):
        before = WCS(opened(file)[0].header, key="B")
        after = WCS(opened(cut(file, QUERY))[0].header, key="B")
    assert_same_sky(before, after, CORNER, (20, 30))


def test_lookup_tables_follow_the_corner():
    """The distortion of each pixel stays, and the tables keep their values."""
    file = lookup_file()
    answer = cut(file, QUERY)
    assert_same_sky(astropy_wcs(file, 1), astropy_wcs(answer, 1), CORNER, (20, 30))
    for index in (2, 3, 4):
        np.testing.assert_array_equal(opened(answer)[index].data, opened(file)[index].data)


def test_lookup_tables_stay_where_the_corner_stays():
    """A cutout of the image's own corner has the tables of the parent, byte for byte."""
    file = lookup_file()
    answer = cut(file, "center=10,10px&size=20px")
    for index in (2, 3, 4):
        assert hdu_bytes(answer, opened(answer)[index]) == hdu_bytes(file, opened(file)[index])


def test_lookup_tables_are_left_out_with_their_image():
    """A table without its image serves nobody."""
    file = lookup_file()
    with fits.open(io.BytesIO(file)) as hdus:
        hdus[1].header["CRVAL1"] = 151.0
        hdus.append(extension(pixels(), "B", TAN))
        buffer = io.BytesIO()
        hdus.writeto(buffer)
    found = opened(cut(buffer.getvalue(), SKY))
    assert [hdu.name for hdu in found] == ["PRIMARY", "B"]


def test_images_may_share_a_lookup_table():
    """Two images with other references and one table are both placed by it."""
    with fits.open(io.BytesIO(lookup_file())) as hdus:
        other = hdus[1].copy()
        other.name = "ERR"
        other.header["CRPIX1"] += 0.125
        hdus.insert(2, other)
        buffer = io.BytesIO()
        hdus.writeto(buffer)
    file = buffer.getvalue()
    answer = cut(file, SKY)
    for index in (1, 2):
        before, after = astropy_wcs(file, index), astropy_wcs(answer, index)
        assert_same_sky(before, after, before.wcs.crpix - after.wcs.crpix, after.array_shape)


@pytest.mark.parametrize("step", ["'text'", "T", "0", "1E999", "nan", ""])
def test_a_table_with_an_absurd_step_is_no_error(step):
    """What is no step is taken for 1."""
    file = lookup_file().replace(card("CDELT1", "                 9.5"), card("CDELT1", step))
    with fits.open(io.BytesIO(cut(file, QUERY))) as hdus:
        assert hdus[2].header["CRPIX1"] == 1 + CORNER[0]


REAL = {
    "hst_acs_d2im_cpdis_sip.fits.gz": 1,
    "ned_dss_plate_only.fits": 0,
    "ctio_tnx_wat_u16.fits": 0,
    "ctio_mosaic_tpv.fits.gz": 0,
    "irsa_wise_1b_sinsip_int.fits": 0,
    "iris_iras_plate_tan_b1950_naxis3_1.fits": 0,
    "nvas_vla_sin_4d_degenerate_blank.fits": 0,
    "jwst_niriss_beams_sip_altwcs.fits": 1,
    "hsc_coadd_mef_sip_ltv.fits": 1,
    "l1448_13co_sfl_cube3d.fits": 0,
}


@pytest.mark.parametrize("name", REAL)
def test_the_sky_of_cutouts_of_real_images_is_their_parents(material: Path, name):
    """Plates, lookup tables, TNX, TPV and the rest: each pixel keeps its position."""
    file = (material / "data" / "fits" / name).read_bytes()
    file = gzip.decompress(file) if name.endswith(".gz") else file
    index = REAL[name]
    answer = cut(file, "center=40,30px&size=30,20px")
    with warnings.catch_warnings(action="ignore"):
        before, after = fits.open(io.BytesIO(file)), fits.open(io.BytesIO(answer))
        parent, cutout = (WCS(h[index].header, h) for h in (before, after))
        np.testing.assert_array_equal(after[index].data, before[index].data[..., 20:40, 25:55])
    assert_same_sky(parent, cutout, np.array([25, 20]), (20, 30))
