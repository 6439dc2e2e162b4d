"""Sampling: which pixels of an image a picture shows."""

import io

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.bands import DTYPES
from gateway.core.sampling import (
    Sampling,
    pixel_block,
    plan_sampling,
    row_block,
    take_columns,
    to_physical,
)
from gateway.core.section import Section
from tests.core.cutting import parent_of, read_rows
from tests.fits_files import image, pixels

lengths = st.integers(1, 5000)


@given(lengths, lengths, st.integers(1, 300), st.integers(1, 10**6))
def test_a_picture_is_as_large_as_allowed_and_no_larger(nx, ny, width, max_px):
    """It is at most `width` wide, has at most `max_px`, and is never enlarged."""
    sampling = plan_sampling(Section(7, 7 + nx, 3, 3 + ny), width, max_px)

    assert sampling.nx <= width
    assert sampling.nx * sampling.ny <= max_px
    assert (sampling.nx, sampling.ny) == (-(-nx // sampling.step), -(-ny // sampling.step))


@given(st.integers(0, 50), st.integers(1, 300), st.integers(1, 300), st.integers(1, 400))
def test_one_pixel_of_each_step_is_shown(start, nx, ny, step):
    """Steps are counted from the left and from the top, where tiles begin."""
    sampling = Sampling(Section(start, start + nx, start, start + ny), step)

    assert [(x - start) // step for x in sampling.columns] == list(range(sampling.nx))
    from_top = [(start + ny - 1 - y) // step for y in reversed(sampling.rows)]
    assert from_top == list(range(sampling.ny))


def test_tiles_of_one_level_fit_together():
    """A picture of a part is the part of the picture."""
    data = np.arange(70 * 90).reshape(70, 90)
    whole, part = Sampling(Section(0, 90, 0, 70), 4), Sampling(Section(32, 90, 0, 70 - 32), 4)

    shown = data[np.ix_(whole.rows, whole.columns)][::-1]
    np.testing.assert_array_equal(data[np.ix_(part.rows, part.columns)][::-1], shown[8:, 8:])


@pytest.mark.parametrize("bitpix", DTYPES)
@pytest.mark.parametrize("step", [1, 3, 200])
def test_blocks_hold_the_pixels_that_are_shown(bitpix, step):
    """Read as rows or as single pixels, they are those of the first plane."""
    data = pixels((2, 100, 120), DTYPES[bitpix])
    file = image(data)
    found = parent_of(file).images[0]
    sampling = Sampling(Section(5, 117, 11, 90), step)
    expected = data[0][np.ix_(sampling.rows, sampling.columns)].astype(DTYPES[bitpix])

    block = row_block(found, sampling)
    rows = np.frombuffer(read_rows(file, block), np.uint8).reshape(block.n_rows, block.row_bytes)
    single = [
        read_rows(file, pixel_block(block.rows(n, n + 1), found, sampling))
        for n in range(block.n_rows)
    ]

    np.testing.assert_array_equal(take_columns(rows, found, sampling), expected)
    assert b"".join(single) == expected.tobytes()


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "i8", "f4", "f8"])
@pytest.mark.parametrize("cards", [{}, {"BSCALE": 0.25, "BZERO": -1e3}])
def test_values_are_those_of_astropy(dtype, cards):
    """BSCALE, BZERO and BLANK are applied as astropy does it."""
    raw = pixels((30, 40), dtype)
    cards = dict(cards)
    if raw.dtype.kind == "i":
        cards["BLANK"] = int(raw[3, 4])
    file = image(raw, {} if dtype == "u2" else cards)
    with fits.open(io.BytesIO(file)) as hdus:
        expected = hdus[0].data
    with fits.open(io.BytesIO(file), do_not_scale_image_data=True) as hdus:
        stored = hdus[0].data

    values = to_physical(stored, parent_of(file).images[0])

    np.testing.assert_allclose(values, expected.astype(values.dtype), rtol=1e-6)
    assert values.dtype == (np.float32 if dtype == "f4" and not cards else np.float64)


def test_cards_that_are_no_numbers_scale_nothing():
    """A logical BSCALE is not one."""
    raw = pixels(dtype="i2")
    file = image(raw, {"BSCALE": True})

    np.testing.assert_array_equal(to_physical(raw, parent_of(file).images[0]), raw)
