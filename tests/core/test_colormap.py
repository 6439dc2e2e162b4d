"""Colour maps, against published colours."""

import numpy as np
import pytest

from gateway.core.colormap import COLORMAPS, color_table

# darkest, middle and brightest, as their authors publish them
COLORS = {
    "gray": ((0, 0, 0), (128, 128, 128), (255, 255, 255)),
    "viridis": ((68, 1, 84), (33, 145, 140), (253, 231, 37)),
    "plasma": ((13, 8, 135), (204, 71, 120), (240, 249, 33)),
    "inferno": ((0, 0, 4), (188, 55, 84), (252, 255, 164)),
    "magma": ((0, 0, 4), (183, 55, 121), (252, 253, 191)),
    "cividis": ((0, 34, 78), (124, 123, 120), (254, 232, 56)),
    "coolwarm": ((59, 76, 192), (221, 221, 221), (180, 4, 38)),
    "hot": ((0, 0, 0), (255, 85, 0), (255, 255, 255)),
    "cubehelix": ((0, 0, 0), (161, 121, 74), (255, 255, 255)),
}


@pytest.mark.parametrize("name", COLORS)
def test_a_map_has_its_colours(name):
    """Level 1 is darkest, 128 the middle, 255 brightest."""
    found = color_table(name)[[1, 128, 255]].astype(int)

    np.testing.assert_allclose(found, COLORS[name], atol=3)


def test_each_map_can_be_turned_round():
    """The name with _r has the same colours the other way."""
    assert set(COLORMAPS) == {name + end for name in COLORS for end in ("", "_r")}
    for name in COLORS:
        np.testing.assert_array_equal(color_table(f"{name}_r")[1:], color_table(name)[:0:-1])
