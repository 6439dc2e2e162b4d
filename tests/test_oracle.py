"""The answers of the production program, and where ours differ from them on purpose."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from tests.conftest import find_material
from tests.recorded_answers import read_answers
from tests.replay import Discrepancy, Replay


@dataclass(frozen=True, slots=True)
class Difference:
    """A deliberate difference: what it explains, and why it is so."""

    files: tuple[str, ...]
    expected: str
    ours: tuple[str, ...]
    reason: str
    queries: str = "*"

    def explains(self, found: Discrepancy) -> bool:
        """Tell whether a discrepancy is this one."""
        return (
            found.file in self.files
            and found.expected == self.expected
            and found.ours in self.ours
            and fnmatchcase(found.query, self.queries)
        )


DIFFERENCES = (
    Difference(
        (
            "made/cube_naxis3.fits",
            "real/cadc_expected_iris_mef_cutout.fits",
            "real/hst_wfc3_ir_flt_altwcs.fits",
            "real/iras_allsky_atf_b1950_i32_naxis3_1.fits",
            "real/iris_iras_plate_tan_b1950_naxis3_1.fits",
            "real/l1448_13co_sfl_cube3d.fits",
            "real/nvas_vla_sin_4d_degenerate_blank.fits",
        ),
        "500 an image HDU with NAXIS != 2",
        ("200", "NoOverlap", "NoUsableWcs"),
        "An image HDU is cut in its first two axes; all planes of further axes are kept.",
    ),
    Difference(
        (
            "made/mef_ccds_partial.fits",
            "made/mef_diff_sizes_scales.fits",
            "real/bok_90prime_staticmask.fits.fz",
            "real/cfht_megaprime_mef_sample_i16.fits",
            "real/hst_acs_d2im_cpdis_sip.fits.gz",
            "real/hst_wfc3_ir_flt_altwcs.fits",
            "real/jwst_niriss_beams_sip_altwcs.fits",
            "real/lsstcam_sim_raw_16amps.fits.fz",
        ),
        "500 no overlap",
        ("200",),
        "Several image HDUs of which some do not overlap: those that overlap are returned.",
    ),
    Difference(
        ("real/hst_acs_d2im_cpdis_sip.fits.gz",),
        "500 an image HDU without WCS",
        ("200",),
        "The images without WCS are the lookup tables of the distortion: they stay as they are.",
    ),
    *(
        Difference(
            ("real/hst_acs_d2im_cpdis_sip.fits.gz",),
            f"HDU {index}",
            ("shape",),
            "Lookup tables stay as they are: one that is cut with the image distorts it wrongly.",
        )
        for index in (2, 3, 4)
    ),
    Difference(
        (
            "real/aips_gorilla_sin_b1950_rice_i16.fits",
            "real/hips_dss2red_tile_unpadded_blankfloat.fits",
            "real/verify_bad_simple.fits",
        ),
        "500 damaged file",
        ("200", "NoOverlap", "NoUsableWcs"),
        "Unpadded files: we answer where the needed bytes exist.",
    ),
    Difference(
        ("made/truncated.fits.gz",),
        "200",
        ("CorruptFits",),
        "A truncated file is refused; the recorded answer was made of what is there.",
    ),
    Difference(
        ("made/truncated.fits.gz",),
        "500 no overlap",
        ("CorruptFits",),
        "That the gzip file is cut off is found before the box is.",
    ),
    Difference(
        ("real/rosat_im1_unixcompress.fits.Z",),
        "400 not a FITS name",
        ("UnsupportedFits",),
        "Names are judged by the web, which is not asked here: over HTTP this is 400 too.",
    ),
    Difference(
        ("made/fk4_radesys_only.fits", "made/icrs_eq1950.fits"),
        "500 no overlap",
        ("200",),
        "RADESYS goes before EQUINOX: the position is on the image.",
    ),
    Difference(
        ("made/hdr_raw_formats.fits",),
        "500 no overlap",
        ("200",),
        "CRVAL2 has no value, for its card has no blank after the equals sign: it is 0, not -5.",
    ),
    Difference(
        ("real/ptf_sip_pv_header_newlines_invalid.fits",),
        "500 no overlap",
        ("200",),
        "PVi_j are dropped where SIP is present: the position is on the image.",
    ),
    Difference(
        ("made/linear_ctype.fits", "real/eso_emmi_i16_bscale_hierarch.fits"),
        "500 no overlap",
        ("NoUsableWcs",),
        "Non-celestial axes are no sky.",
    ),
    Difference(
        (
            "real/bok_90prime_staticmask.fits.fz",
            "real/ctio_tnx_wat_u16.fits",
            "real/hst_wfpc2_mef_ushort.fits",
            "real/panoptes_solved_tansip_rice.fits.fz",
        ),
        "500 no overlap",
        ("NoUsableWcs",),
        "A centre that is too far away to be projected is refused with that reason.",
    ),
    Difference(
        ("made/hdr_raw_formats.fits", "real/ned_dss_plate_only.fits"),
        "500 centre cannot be projected",
        ("NoOverlap",),
        "At 90 degrees from the image the last digit decides whether it can be projected.",
        "center=0,90&*",
    ),
    Difference(
        ("made/ait_allsky.fits", "real/rosat_allsky_glon_ait.fits"),
        "NOOVERLAP",
        ("NoUsableWcs",),
        "An angular size is measured from the centre, and outside of an all-sky map is no sky.",
        "center=-5.5,*pix&size=*arcsec*",
    ),
    Difference(
        ("made/elon_tan.fits",),
        "NOOVERLAP",
        ("200",),
        "Ecliptic positions are converted, as the production program does; the column did not.",
    ),
    *(
        Difference(
            ("made/sip_ptf_pv.fits",),
            word,
            ("200",),
            "PVi_j are dropped where SIP is present, as the production program does.",
        )
        for word in ("NOOVERLAP", "UNPROJ")
    ),
    Difference(
        ("real/ned_dss_plate_only.fits", "real/dss_amdx_pc001001_crota2_i16.fits.gz"),
        "HDU 0",
        ("CNPIX2", "CNPIX1, CNPIX2"),
        "Sky positions of the cutout's pixels equal the parent's: a plate counts from CNPIX.",
    ),
    Difference(
        ("real/dss_amdx_pc001001_crota2_i16.fits.gz",),
        "HDU 0",
        ("shape", "CRPIX"),
        "One pixel where an exact edge lies within 0.03 px of a half: it is at x = 8.52.",
        "center=217.5116297,-62.67569047&size=52.3155733,19.42662983arcsec*",
    ),
    Difference(
        ("real/rosat_allsky_glon_ait.fits",),
        "HDU 0",
        ("shape", "CRPIX"),
        "The great-circle distance is 81 degrees in rows 10 and 231, as recorded; the column errs.",
        "center=266.5123555,-29.08039456&size=162.0001713deg*",
    ),
)


@pytest.fixture(scope="session")
def replay(material: Path, made: Path) -> Replay:
    """Get ready to ask."""
    return Replay(read_answers(material), {"made": made, "real": material / "data/fits"})


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each recorded file; without the material one, which then says so."""
    if "file" in metafunc.fixturenames:
        material = find_material()
        metafunc.parametrize("file", list(read_answers(material)) if material.is_dir() else [""])


async def test_answers_are_those_of_the_production_program(replay: Replay, file: str):
    """Each recorded query gets the recorded answer, but for the differences that are listed."""
    found = await replay.discrepancies(file)

    unexplained = [d for d in found if not any(each.explains(d) for each in DIFFERENCES)]

    assert unexplained == []


@pytest.mark.parametrize(
    "difference", DIFFERENCES, ids=lambda each: f"{each.files[0]}-{each.expected}"
)
async def test_each_difference_is_there(replay: Replay, difference: Difference):
    """A difference that is listed is one, in each of its files: the list holds no excuses."""
    used = set()
    for file in difference.files:
        found = [d for d in await replay.discrepancies(file) if difference.explains(d)]
        assert found, file
        used |= {d.ours for d in found}

    assert used == set(difference.ours)
