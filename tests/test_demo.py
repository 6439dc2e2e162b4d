import os
import shlex
import shutil
import urllib.parse
from collections.abc import Callable
from math import floor
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from gateway.demo import EXAMPLES, URL_PREFIX, download_lines, make_archive

pytest_plugins = ("tests.demo_archive",)

EUCLID = "euclid/q1/MER/102158277/NISP/EUC_MER_"
MOSAIC = EUCLID + "BGSUB-MOSAIC-NIR-H_TILE102158277-797A7D_20241025T122514.635323Z_00.00.fits"
BACKGROUND = EUCLID + "BGMOD-NIR-H_TILE102158277-48F2AF_20241025T122514.635142Z_00.00.fits"
TWOMASS = "twomass/allsky/allsky/000105s/s019/image/hi0190056.fits.gz"
INTENSITY = "wise/allsky/4band_p1bm_frm/6a/02206a/149/02206a149-w1-int-1b.fits"
UNCERTAINTY = "wise/allsky/4band_p1bm_frm/6a/02206a/149/02206a149-w1-unc-1b.fits.gz"

Interval = tuple[int, int]
Rule = Callable[[float, float], Interval]


def exact(center_px: float, size_px: float) -> Interval:
    """Give the first and the last pixel of `box = "exact"`, counted from 1."""
    n = max(1, round(size_px))
    return floor(center_px - n / 2) + 1, floor(center_px + n / 2)


def ibe(center_px: float, size_px: float) -> Interval:
    """Give the first and the last pixel of `box = "ibe"`, counted from 1."""
    return floor(center_px - size_px / 2 + 0.5), floor(center_px + size_px / 2 + 0.5)


both_rules = pytest.mark.parametrize("rule", [exact, ibe])


def spherex(archive: Path) -> Path:
    """Give the only SPHEREx file."""
    (path,) = (archive / "spherex/qr2/level2").rglob("*.fits")
    return path


def interrupt(_: str) -> None:
    """Stop a run after the first file that it made."""
    raise KeyboardInterrupt


@pytest.mark.parametrize("name", [MOSAIC, BACKGROUND, TWOMASS, INTENSITY, UNCERTAINTY])
def test_a_file_of_the_page_is_there_and_valid(demo_archive: Path, name: str):
    """Each file that the page names is one valid image of floats with a clean celestial WCS."""
    with fits.open(demo_archive / name) as hdus:
        hdus.verify("exception")
        (image,) = hdus

        assert image.header["BITPIX"] == -32
        assert WCS(image.header).celestial.naxis == 2


def test_spherex_is_a_valid_mef(demo_archive: Path):
    """The SPHEREx file has the extensions of a level-2 file; all 2-D ones share the sky."""
    with fits.open(spherex(demo_archive)) as hdus:
        hdus.verify("exception")
        names = [hdu.name for hdu in hdus]
        centers = [WCS(hdu.header).wcs_pix2world(9, 9, 1) for hdu in hdus[1:5]]

        assert names == ["PRIMARY", "IMAGE", "FLAGS", "VARIANCE", "ZODI", "PSF", "WCS-WAVE"]
        assert hdus["FLAGS"].header["BITPIX"] == 32
        assert np.ptp(centers, axis=0).max() == 0
        assert not WCS(hdus["PSF"].header).has_celestial


def test_spherex_wavelengths_come_from_the_table(demo_archive: Path):
    """The W alternate looks wavelength and bandwidth up in WCS-WAVE; A counts pixels from 0."""
    with fits.open(spherex(demo_archive)) as hdus:
        spectral = WCS(hdus["IMAGE"].header, hdus, key="W")
        pixels = WCS(hdus["IMAGE"].header, key="A")
        (bottom, width), (top, _) = spectral.wcs_pix2world([[1020, 1], [1020, 2040]], 1)

        assert bottom == pytest.approx(1.64, abs=0.01)
        assert top == pytest.approx(2.42, abs=0.01)
        assert bottom / width == pytest.approx(41)
        assert np.allclose(pixels.wcs_pix2world([[1, 2]], 1), [[0, 1]])


@pytest.mark.parametrize("dataset", ["wise", "spherex"])
def test_distortion_and_its_inverse_agree(demo_archive: Path, dataset: str):
    """AP and BP undo A and B to 0.02 pixel, in the corners too."""
    path, index = (demo_archive / INTENSITY, 0) if dataset == "wise" else (spherex(demo_archive), 1)
    header = fits.getheader(path, index)
    nx, ny = header["NAXIS1"], header["NAXIS2"]
    corners = np.array([[1, 1], [nx, 1], [1, ny], [nx, ny]], float)
    sip = WCS(header).sip

    undistorted = sip.pix2foc(corners, 1)

    assert np.abs(undistorted - corners + sip.crpix).max() > 0.1
    assert np.abs(sip.foc2pix(undistorted, 1) - corners).max() < 0.02


@both_rules
def test_the_two_clipped_cutouts_of_the_page_are_one(demo_archive: Path, rule: Rule):
    """29,176pix and 83.9124,-43.1616deg, 90 arcsec and 90 pixels, select the same 74 columns."""
    wcs = WCS(fits.getheader(demo_archive / TWOMASS))
    x, y = wcs.all_world2pix(83.9124, -43.1616, 1)
    neighbours = wcs.pixel_to_world([28, 29, 28], [175, 175, 176])
    size_px = 90 / neighbours[0].separation(neighbours[1:]).arcsec

    by_pixel = rule(29, size_px[0]), rule(176, size_px[1])
    by_sky = rule(x, 90), rule(y, 90)

    assert by_pixel == by_sky
    assert by_pixel[0][0] < 1
    assert by_pixel[0][1] == 74
    assert 1 <= by_pixel[1][0] < by_pixel[1][1] <= 1024


@both_rules
def test_the_extreme_cutout_of_the_page_is_a_column_of_nan(demo_archive: Path, rule: Rule):
    """-49,175pix with 100pix reaches column 1, which is NaN; one pixel further reaches nothing."""
    data = fits.getdata(demo_archive / TWOMASS)
    first, last = rule(175, 100)

    assert rule(-49, 100)[1] == 1
    assert rule(-50, 100)[1] == 0
    assert np.isnan(data[first - 1 : last, 0]).all()
    assert np.isfinite(data[first - 1 : last, 1]).all()


@both_rules
def test_image_and_uncertainty_are_cut_alike(demo_archive: Path, rule: Rule):
    """70,20 with 200 pixels selects the same pixels of both WISE files, none clipped."""
    boxes = []
    for name in (INTENSITY, UNCERTAINTY):
        x, y = WCS(fits.getheader(demo_archive / name)).all_world2pix(70, 20, 1)
        boxes.append((rule(x, 200), rule(y, 200)))

    assert boxes[0] == boxes[1]
    assert all(first >= 1 and last <= 1016 for first, last in boxes[0])


def test_the_uncertainty_is_that_of_the_image(demo_archive: Path):
    """The scatter of the WISE sky equals the uncertainty that is given for it."""
    intensity = fits.getdata(demo_archive / INTENSITY)
    uncertainty = fits.getdata(demo_archive / UNCERTAINTY)
    low, high = np.percentile(intensity, [15.87, 50])

    assert high - low == pytest.approx(np.median(uncertainty), rel=0.05)


def test_examples_name_each_data_set(demo_archive: Path):
    """The examples are of all four data sets, name files that are there, and one is not gzipped."""
    urls = [urllib.parse.urlsplit(example.url_path_and_query) for example in EXAMPLES]
    queries = [urllib.parse.parse_qs(url.query) for url in urls]
    names = [url.path.removeprefix(URL_PREFIX) for url in urls]

    assert {name.split("/")[0] for name in names} == {"euclid", "spherex", "twomass", "wise"}
    assert all((demo_archive / name).is_file() for name in names)
    assert all({"center", "size"} <= query.keys() for query in queries)
    assert [query["gzip"] for query in queries if "gzip" in query] == [["false"]]


def test_the_first_example_shows_the_galaxy(demo_archive: Path):
    """The sky position of the Euclid example is the brightest point of its cutout."""
    query = urllib.parse.urlsplit(EXAMPLES[0].url_path_and_query).query
    ra, dec = map(float, urllib.parse.parse_qs(query)["center"][0].split(","))
    with fits.open(demo_archive / MOSAIC) as hdus:
        x, y = WCS(hdus[0].header).world_to_pixel(SkyCoord(ra, dec, unit="deg"))
        cutout = hdus[0].data[round(float(y)) - 300 :, round(float(x)) - 300 :][:600, :600]
        peak = np.unravel_index(np.argmax(cutout), cutout.shape)

    assert np.abs(np.array(peak) - 300).max() <= 2


def test_download_lines_are_those_of_the_page(demo_archive: Path):
    """The commands use curl and wget, with the page's options, on one URL of the archive."""
    url = f"http://127.0.0.1:8080{URL_PREFIX}{INTENSITY}?center=70,20&size=200pix"

    commands = [shlex.split(line) for line in download_lines("http://127.0.0.1:8080")]

    assert commands == [
        ["curl", "--output", "mycutout.fits.gz", url],
        ["curl", "-O", "-J", url],
        ["wget", "--output-document=mycutout.fits.gz", url],
        ["wget", "--content-disposition", url],
    ]
    assert (demo_archive / INTENSITY).is_file()


def test_a_complete_archive_is_left_alone(demo_archive: Path):
    """A second run makes nothing, changes nothing, leaves nothing beside the files."""
    before = {path: path.stat().st_mtime_ns for path in demo_archive.rglob("*")}
    reports: list[str] = []

    make_archive(demo_archive, reports.append)

    assert reports == []
    assert {path: path.stat().st_mtime_ns for path in demo_archive.rglob("*")} == before


def test_an_interrupted_run_is_repaired(demo_archive: Path, tmp_path: Path):
    """After an interruption the next run makes what is missing, byte for byte the same."""
    folder = tmp_path / "archive"
    shutil.copytree(demo_archive, folder, copy_function=os.link)
    for name in (TWOMASS, UNCERTAINTY):
        (folder / name).unlink()
    half_made = folder / Path(TWOMASS).parent / ".hi0190056.fits.gz.part"
    half_made.write_bytes(b"SIMPLE")

    with pytest.raises(KeyboardInterrupt):
        make_archive(folder, interrupt)
    reports: list[str] = []
    make_archive(folder, reports.append)

    assert len(reports) == 1
    assert UNCERTAINTY in reports[0]
    assert not half_made.exists()
    for name in (TWOMASS, UNCERTAINTY):
        assert (folder / name).read_bytes() == (demo_archive / name).read_bytes()


@pytest.mark.parametrize("name", [TWOMASS, UNCERTAINTY])
def test_gzip_files_hold_no_time(demo_archive: Path, name: str):
    """The MTIME of a gzip member (RFC 1952, 2.3) is 0, so that equal files have equal bytes."""
    with (demo_archive / name).open("rb") as file:
        assert file.read(8)[4:] == bytes(4)
