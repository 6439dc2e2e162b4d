"""Selection: the HDUs that a query names, and no others."""

import io

import numpy as np
import pytest
from astropy.io import fits

from gateway.core.errors import BadParameter, NoOverlap
from tests.core.cutting import cut, opened
from tests.fits_files import TAN, extension, image, lookup_file, mef, pixels, spectrum, table

BOX = "center=20,20px&size=6px"
FILE = mef(
    extension(pixels(), "SCI", TAN),
    extension(pixels(dtype="i2", seed=2), "MASK"),
    table("SOURCES"),
    extension(pixels(seed=3), "SCI", TAN | {"CRVAL1": 151.0, "EXTVER": 2}),
)


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ("1", ["SCI"]),
        ("MASK", ["MASK"]),
        ("mask", ["MASK"]),
        ("SOURCES,MASK", ["MASK", "SOURCES"]),
        ("SCI", ["SCI", "SCI"]),
        (" 3 , 1 , SCI", ["SCI", "SOURCES", "SCI"]),
        ("0", []),
    ],
)
def test_a_cutout_has_the_hdus_that_are_named(wanted, names):
    """Numbers count from the primary HDU, names ignore case, and the order is the file's."""
    hdus = opened(cut(FILE, f"{BOX}&hdu={wanted}"))

    assert [hdu.name for hdu in hdus[1:]] == names
    assert all(hdu.shape == (6, 6) for hdu in hdus[1:] if hdu.is_image)


def test_a_mask_is_placed_by_the_image_that_is_not_wanted():
    """A mask without coordinates is cut where its image would be."""
    both = opened(cut(FILE, "center=150.1,2.2&size=5px"))
    alone = opened(cut(FILE, "center=150.1,2.2&size=5px&hdu=MASK"))

    np.testing.assert_array_equal(alone[1].data, both["MASK"].data)


@pytest.mark.parametrize("primary", [image(pixels(), TAN), mef(spectrum())], ids=["image", "row"])
def test_a_primary_hdu_that_is_not_wanted_leaves_its_header(primary):
    """A FITS file begins with a primary HDU: without its data if that is not asked for."""
    extension_only = extension(pixels(seed=5), "SCI", TAN)
    file = mef(fits.open(io.BytesIO(primary))[0], extension_only, cards={"OBJECT": "M 31"})

    hdus = opened(cut(file, f"{BOX}&hdu=SCI"))

    assert hdus[0].data is None
    assert hdus[0].header["OBJECT"] == "M 31"
    assert hdus[1].shape == (6, 6)


def test_the_tables_that_bend_an_images_sky_come_with_it():
    """A distortion without its lookup tables would move every pixel."""
    hdus = opened(cut(lookup_file(), f"{BOX}&hdu=SCI"))

    assert [hdu.name for hdu in hdus[1:]] == ["SCI", "WCSDVARR", "WCSDVARR", "D2IMARR"]


@pytest.mark.parametrize("wanted", ["9", "NOISE", "1,9999999999999"])
def test_an_hdu_that_is_not_there_is_refused(wanted):
    """The message names it, and says which ones there are."""
    with pytest.raises(BadParameter, match=r"the file has HDUs 0.*, 1 SCI, 2 MASK") as refused:
        cut(FILE, f"{BOX}&hdu={wanted}")

    assert refused.value.name == "hdu"


def test_only_overlap_with_the_images_that_are_wanted_counts():
    """Where another image has the area, that is told as no overlap."""
    with pytest.raises(NoOverlap, match="leave out hdu"):
        cut(FILE, "center=151.0,2.2&size=5px&hdu=1")
