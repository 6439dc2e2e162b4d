"""Cutouts of whole files, against slices by astropy and astropy's sky."""

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.box import BoxRule
from gateway.core.errors import GatewayError, NoOverlap
from gateway.core.plan import CutoutPlan, Literal, Stored, plan_whole
from gateway.core.section import Planes
from tests.core.compressed import compress
from tests.core.cutting import cut, hdu_bytes, opened, plan, read
from tests.core.wcs_forms import tan
from tests.fits_files import (
    LOOKUP,
    NX,
    NY,
    SIP,
    TAN,
    ascii_table,
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

QUERY = "center=60,50px&size=30,20px"
BOX = np.s_[40:60, 45:75]
CORNER = np.array([45, 40])
SKY = "center=150.1,2.2&size=30,20arcsec"


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "i8", "f4", "f8"])
def test_the_pixels_of_a_cutout_are_the_slice(dtype):
    """Every BITPIX comes back as it is stored."""
    data = pixels(dtype=dtype)
    (hdu,) = opened(cut(image(data), QUERY))
    np.testing.assert_array_equal(hdu.data, data[BOX])
    assert hdu.header["BITPIX"] == fits.PrimaryHDU(data).header["BITPIX"]


def test_scaled_integers_stay_raw():
    """BSCALE, BZERO and BLANK are copied, not applied."""
    scaling = {"BSCALE": 0.5, "BZERO": 32768.0, "BLANK": -99}
    data = pixels(dtype="i2")
    (hdu,) = opened(cut(image(data, scaling), QUERY))
    np.testing.assert_array_equal(hdu.data, data[BOX])
    assert {key: hdu.header[key] for key in scaling} == scaling


def test_the_payload_of_nan_is_kept():
    """A NaN is a pattern of bits, and it is not another one afterwards."""
    patterns = np.arange(NX * NY, dtype=">u4").reshape(NY, NX) + np.uint32(0x7FA00001)
    file = bytearray(image(np.zeros((NY, NX), "f4")))
    file[2880 : 2880 + patterns.nbytes] = patterns.astype(">u4").tobytes()
    answer = cut(bytes(file), QUERY)
    assert answer[2880 : 2880 + 20 * 30 * 4] == patterns.astype(">u4")[BOX].tobytes()


@pytest.mark.parametrize("further", [(1,), (3,), (2, 3), (1, 4, 1)])
def test_all_planes_of_further_axes_are_kept(further):
    """Cubes are cut in their first two axes."""
    data = pixels((*further, NY, NX), "i2")
    (hdu,) = opened(cut(image(data), QUERY))
    np.testing.assert_array_equal(hdu.data, data[(..., *BOX)])


@pytest.mark.parametrize("shape", [(60, 48), (60, 49), (2, 30, 48)])
def test_a_box_around_the_image_gives_the_file(shape):
    """Where nothing is cut off, the answer is the parent, its padding included."""
    file = image(pixels(shape, "u1"), TAN)
    assert cut(file, "center=24,30px&size=1000px") == file


def test_a_box_is_clipped_to_the_image():
    """What lies outside is not invented."""
    data = pixels()
    (hdu,) = opened(cut(image(data), "center=1,100px&size=21px"))
    np.testing.assert_array_equal(hdu.data, data[89:100, 0:11])


@pytest.mark.parametrize(("rule", "side"), [(BoxRule.EXACT, 20), (BoxRule.IBE, 21)])
def test_the_collections_rule_counts_the_pixels(rule, side):
    """The same query is 20 or 21 pixels wide."""
    (hdu,) = opened(cut(image(), "center=60,50px&size=20px", rule))
    assert hdu.shape == (side, side)


def test_the_hdus_stay_in_order_and_what_is_no_image_is_copied():
    """An empty primary HDU, tables and spectra are the bytes that they were."""
    science, variance = extension(pixels(), "SCI"), extension(pixels(seed=2), "VAR")
    parts = [science, table(), ascii_table(), extension(pixels((77,)), "SPECTRUM"), variance]
    file = mef(*parts)
    answer = cut(file, QUERY)
    found, parent = opened(answer), opened(file)
    names = ["PRIMARY", "SCI", "SOURCES", "TEXT", "SPECTRUM", "VAR"]
    assert [hdu.name for hdu in found] == names
    for name in ("SCI", "VAR"):
        np.testing.assert_array_equal(found[name].data, parent[name].data[BOX])
    for name in ("PRIMARY", "SOURCES", "TEXT", "SPECTRUM"):
        assert hdu_bytes(answer, found[name]) == hdu_bytes(file, parent[name])


def test_detectors_without_overlap_are_left_out():
    """Those that overlap are returned with the primary header."""
    far = TAN | {"CRVAL1": 151.0}
    file = mef(extension(pixels(), "A", far), extension(pixels(), "B", TAN), table())
    found = opened(cut(file, SKY))
    assert [hdu.name for hdu in found] == ["PRIMARY", "B", "SOURCES"]


def test_a_primary_image_without_overlap_leaves_its_header():
    """NAXIS becomes 0 and the other cards stay, so that the file begins as a file must."""
    primary = fits.PrimaryHDU(pixels())
    cards = TAN | {"CRVAL1": 151.0, "OBJECT": "M 31", "DATASUM": "1"}
    found = opened(cut(mef(primary, extension(pixels(), "B", TAN), cards=cards), SKY))
    assert found[0].data is None
    assert found[0].header["OBJECT"] == "M 31"
    assert "NAXIS1" not in found[0].header
    assert "DATASUM" not in found[0].header
    assert found[1].shape == (20, 30)


def test_a_mask_without_coordinates_follows_its_image():
    """Pixels of image and mask belong together; a cube of another size is copied whole."""
    mask, psf = pixels(dtype="u1", seed=3), pixels((4, 11, 11))
    file = mef(extension(pixels(), "SCI", SIP), extension(mask, "MASK"), extension(psf, "PSF"))
    found = opened(cut(file, SKY))
    np.testing.assert_array_equal(found["MASK"].data, mask[40:60, 45:75])
    np.testing.assert_array_equal(found["PSF"].data, psf)


def test_cards_are_copied_byte_for_byte_and_in_order():
    """All cards but the four that count pixels are the parent's, and so is their order."""
    strange = [card("CRPIX1", "60.25"), card("HIERARCH", "ESO TEL = 'VLT'", indicator=" "),
               card("BAD", "1.2.3 / no value"), b"\xe9" * 80, card("CRPIX2", "  5.075D1 / row"),
               card("CTYPE1", "'RA---TAN'"), card("CTYPE2", "'DEC--TAN'"), card("CHECKSUM", "'a'"),
               card("", ""), card("ENDED", "'no'")]  # fmt: skip
    cards = [*mandatory((NX, NY)), *strange]
    file = header(*cards) + bytes(-(-NX * NY // 2880) * 2880)
    answer = cut(file, QUERY)
    changed = {3: card("NAXIS1", f"{30:20}"), 4: card("NAXIS2", f"{20:20}")}
    changed |= {5: card("CRPIX1", "15.25"), 9: card("CRPIX2", "    10.75 / row")}
    expected = [changed.get(i, each) for i, each in enumerate(cards) if i != 12]
    assert answer == header(*expected) + bytes(2880)


@pytest.mark.parametrize("whole", [False, True])
def test_a_compressed_image_becomes_a_plain_one(whole):
    """It is cut, or copied whole where there is nothing to cut, and is no table any more."""
    data = pixels(dtype="i2")
    file = compress(data, compression_type="RICE_1", name="MASK")
    if whole:
        other = opened(mef(extension(pixels((30, 40)), "SCI", TAN)))[1]
        other.header.update({"CRPIX1": 20.5, "CRPIX2": 15.5})
        packed = fits.CompImageHDU(data, compression_type="RICE_1", name="MASK")
        file = mef(other, packed)
    found = opened(cut(file, SKY if whole else QUERY))
    assert type(found["MASK"]) is fits.ImageHDU
    np.testing.assert_array_equal(found["MASK"].data, data if whole else data[BOX])


@given(st.data())
@settings(max_examples=60)
def test_a_cutout_of_a_cutout_is_the_inner_cutout(data):
    """Cutting twice gives the bytes of cutting once."""
    x_start, nx = data.draw(st.integers(0, 60)), data.draw(st.integers(10, 60))
    y_start, ny = data.draw(st.integers(0, 50)), data.draw(st.integers(10, 50))
    x, width = data.draw(st.integers(0, nx - 1)), data.draw(st.integers(1, 10))
    y, height = data.draw(st.integers(0, ny - 1)), data.draw(st.integers(1, 10))
    width, height = min(width, nx - x), min(height, ny - y)
    outer = cut(DISTORTED, by_pixels(x_start, nx, y_start, ny))
    inner = cut(outer, by_pixels(x, width, y, height))
    assert inner == cut(DISTORTED, by_pixels(x_start + x, width, y_start + y, height))


DISTORTED = image(pixels(dtype="i2"), SIP | {"LTV1": -5.5, "CRPIX1A": 3.0, "CRPIX2A": 1e-9})


def by_pixels(x_start: int, nx: int, y_start: int, ny: int) -> str:
    """Write the query of a section in pixels."""
    center = f"{x_start + (nx + 1) / 2},{y_start + (ny + 1) / 2}"
    return f"center={center}px&size={nx},{ny}px"


PLANNED_FILE = mef(extension(pixels((3, 9, 7), "i2"), "CUBE"), table(), ascii_table())
PLANNED = plan(PLANNED_FILE, "center=4,5px&size=3,4px")
PLANNED_BYTES = read(PLANNED_FILE, PLANNED, 0, PLANNED.size)


@given(st.integers(0, PLANNED.size), st.integers(0, PLANNED.size + 100))
def test_any_range_of_an_answer_is_the_slice_of_the_whole(start, stop):
    """A range reads what it needs, and gives the bytes that the whole has there."""
    assert read(PLANNED_FILE, PLANNED, start, stop) == PLANNED_BYTES[start:stop]


def test_a_range_of_an_answer_asks_only_for_its_pieces():
    """The pieces before and behind are not touched."""
    planned = CutoutPlan((Literal(b"abc"), Literal(b""), Literal(b"defg"), Literal(b"h")), 8)
    assert list(planned.between(4, 6)) == [(planned.pieces[2], 1, 3)]
    assert list(planned.between(2, 4)) == [(planned.pieces[0], 2, 3), (planned.pieces[2], 0, 1)]
    assert list(planned.between(3, 3)) == []


def test_a_plan_knows_how_far_the_parent_must_reach():
    """Known bytes need nothing; pixels need the file up to the last of them."""
    stored = [piece for piece in PLANNED.pieces if isinstance(piece, Stored)]
    assert max(piece.stop for piece in stored) < len(PLANNED_FILE)
    assert {piece.stop for piece in PLANNED.pieces if isinstance(piece, Literal)} == {0}
    (unpacked,) = (
        piece
        for piece in plan(compress(pixels(dtype="i2"), compression_type="RICE_1"), QUERY).pieces
        if not isinstance(piece, Literal)
    )
    assert unpacked.stop > 2880


def test_a_file_is_its_own_answer():
    """The plan of a whole file is one piece; that of an empty one is none."""
    assert plan_whole(100) == CutoutPlan((Stored(Planes.run(0, 100), 100),), 100)
    assert plan_whole(0) == CutoutPlan((), 0)


def test_files_of_tables_are_answered_whole():
    """There is nothing to cut and nothing to refuse."""
    file = mef(table(), ascii_table())
    assert cut(file, QUERY) == file


def test_a_pixel_query_of_a_spectrum_is_refused():
    """There is nothing to cut."""
    with pytest.raises(GatewayError, match="nothing to cut"):
        cut(mef(spectrum()), QUERY)


def test_a_missing_reference_moves_only_where_the_corner_does():
    """The default of CRPIX is 0: along the axis that begins at its first pixel none is added."""
    file = image(cards=tan({"CRPIX1": None, "CRPIX2": None}))
    found = opened(cut(file, "center=60,5px&size=20,10px"))[0].header
    assert found["CRPIX1"] == -50
    assert "CRPIX2" not in found


def test_a_box_that_begins_behind_the_last_pixel_is_no_overlap():
    """One pixel beyond the edge is beyond it."""
    assert opened(cut(image(), "center=129,50px&size=20px"))[0].shape == (20, 1)
    with pytest.raises(NoOverlap):
        cut(image(), "center=130,50px&size=20px")


def test_lookup_cards_without_tables_are_cut_by_pixels():
    """A pixel query needs no coordinates, not even broken ones."""
    (hdu,) = opened(cut(image(cards=LOOKUP), QUERY))
    assert hdu.shape == (20, 30)
