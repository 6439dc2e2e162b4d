"""Images: which HDUs can be cut, and what is known of them."""

import numpy as np

from gateway.core.image import describe_parent
from tests.core.compressed import compress
from tests.core.cutting import parent_of, scan
from tests.fits_files import (
    SIP,
    TAN,
    card,
    extension,
    header,
    image,
    lookup_file,
    mandatory,
    mef,
    pixels,
    spectrum,
    table,
)


def test_images_of_two_axes_and_more_can_be_cut():
    """Planes and cubes are images; spectra, tables and empty HDUs are not."""
    file = mef(
        extension(pixels((20, 30)), "PLANE"),
        extension(pixels((50,)), "SPECTRUM"),
        table(),
        extension(pixels((3, 20, 30), "i2"), "CUBE", TAN),
    )
    images = parent_of(file).images
    assert list(images) == [1, 4]
    assert (images[1].shape, images[1].bitpix, images[1].pixel_bytes) == ((30, 20), -32, 4)
    assert (images[4].shape, images[4].bitpix, images[4].pixel_bytes) == ((30, 20, 3), 16, 2)
    assert not parent_of(mef(spectrum())).images


def test_an_empty_image_cannot_be_cut():
    """An axis of length zero leaves no pixels, and random groups are none."""
    assert not parent_of(header(*mandatory((5, 0)))).images


def test_only_images_on_the_sky_have_coordinates():
    """The cards of a plane that is on no sky are not looked at."""
    file = mef(extension(pixels(), "SCI", SIP), extension(pixels(), "MASK"))
    science, mask = parent_of(file).images.values()
    assert science.celestial
    assert b"A_ORDER" in science.wcs_cards
    assert not mask.celestial
    assert mask.wcs_cards == b""
    assert mask.tables == frozenset()


def test_a_plate_alone_is_on_the_sky_and_moves_its_corner():
    """A plate's CNPIX moves, also beside celestial axes: readers differ in what they prefer."""
    plate = {"CNPIX1": 100, "CNPIX2": 200, "AMDX1": 67.2, "AMDY1": 67.2}
    alone = parent_of(image(cards=plate)).images[0]
    beside = parent_of(image(cards=plate | TAN)).images[0]
    assert alone.celestial
    assert b"CNPIX1  =                  103" in alone.template.render(5, 5, 3, 3)
    assert b"AMDX1" in alone.wcs_cards
    assert b"AMDX1" not in beside.wcs_cards
    assert b"CNPIX1  =                  103" in beside.template.render(5, 5, 3, 3)


def test_a_compressed_image_is_described_as_the_image_that_it_is():
    """Shape, type and header are those of the image, not of its table."""
    data = np.arange(600, dtype="i2").reshape(20, 30)
    found = parent_of(compress(data, compression_type="RICE_1")).images[1]
    assert (found.shape, found.bitpix) == ((30, 20), 16)
    assert found.header.get_str("XTENSION") == "IMAGE"
    assert found.tiles is not None


def test_lookup_tables_are_no_images_to_cut():
    """What the distortion of an image refers to by name and version belongs to it."""
    parent = parent_of(lookup_file())
    assert list(parent.images) == [1]
    assert parent.lookups == {2: (1,), 3: (1,), 4: (1,)}
    assert parent.images[1].tables == {("WCSDVARR", 1), ("WCSDVARR", 2), ("D2IMARR", 1)}


def test_a_table_that_no_distortion_names_is_an_image():
    """A name alone, or another version, makes no lookup table."""
    named = extension(pixels((5, 5)), "WCSDVARR", {"EXTVER": 7})
    parent = parent_of(mef(extension(pixels(), "SCI", TAN), named))
    assert list(parent.images) == [1, 2]
    file = lookup_file().replace(
        card("EXTVER", f"{2:20} / extension value")[:30], card("EXTVER", f"{9:20}")[:30]
    )
    parent = parent_of(file)
    assert parent.lookups == {2: (1,), 4: (1,)}
    assert list(parent.images) == [1, 3]


def test_the_memory_of_a_parent_grows_with_its_headers():
    """Long headers count, and so does each HDU."""
    layout = scan(image())
    longer = scan(image(cards={"HISTORY": "x" * 7000}))
    assert describe_parent(layout).memory_bytes > 1000 + 2 * 400
    assert describe_parent(longer).memory_bytes > describe_parent(layout).memory_bytes + 14_000
