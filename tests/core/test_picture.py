"""Pictures, read back by the libraries that everybody reads them with."""

import imagecodecs
import numpy as np
import pytest

from gateway.core.colormap import color_table
from gateway.core.picture import encode_picture

COLORS = color_table("viridis")


def smooth(ny: int, nx: int) -> np.ndarray:
    """Draw levels that a lossy format keeps, with a corner of no value."""
    y, x = np.mgrid[:ny, :nx]
    levels = (1 + (x + y) * 254 // max(nx + ny - 2, 1)).astype(np.uint8)
    levels[: ny // 4, : nx // 4] = 0
    return levels


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (257, 1), (40, 60)])
def test_a_png_has_every_colour_and_no_value_is_transparent(shape):
    """Its first row is the top; it is exact."""
    levels = smooth(*shape)

    found = imagecodecs.png_decode(encode_picture(levels, COLORS, "png"))

    assert found.shape == (*shape, 4)
    np.testing.assert_array_equal(found[..., :3], COLORS[levels])
    np.testing.assert_array_equal(found[..., 3], np.where(levels == 0, 0, 255))


def test_a_jpeg_is_near_and_has_a_background():
    """No value is the map's background: black."""
    levels = smooth(64, 96)

    found = imagecodecs.jpeg8_decode(encode_picture(levels, COLORS, "jpeg"))

    assert np.abs(found.astype(int) - COLORS[levels]).mean() < 4
    assert found[4, 4].max() < 20


def test_a_webp_is_near_and_no_value_is_transparent():
    """It keeps the transparency exactly."""
    levels = smooth(64, 96)

    found = imagecodecs.webp_decode(encode_picture(levels, COLORS, "webp"))

    seen = levels > 0
    assert np.abs(found[seen, :3].astype(int) - COLORS[levels[seen]]).mean() < 4
    np.testing.assert_array_equal(found[..., 3], np.where(seen, 255, 0))
