"""Stretches, against those of astropy."""

import numpy as np
import pytest
from astropy.visualization import AsinhStretch, LinearStretch, LogStretch, SqrtStretch

from gateway.core.cuts import Limits
from gateway.core.stretch import STRETCHES, stretch_values

CURVES = {
    "asinh": AsinhStretch(a=0.1),
    "linear": LinearStretch(),
    "sqrt": SqrtStretch(),
    "log": LogStretch(a=1000),
}


@pytest.mark.parametrize("name", STRETCHES)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_a_stretch_is_that_of_astropy(name, dtype):
    """Levels 1 to 255 follow the curve, rounded."""
    values = np.linspace(-20, 120, 1000).reshape(10, 100).astype(dtype)

    levels = stretch_values(values, Limits(0.0, 100.0), name)

    expected = 1 + CURVES[name](np.clip(values / 100, 0, 1)) * 254
    assert levels.dtype == np.uint8
    assert np.abs(levels - expected).max() <= 0.51


@pytest.mark.parametrize("name", STRETCHES)
def test_only_nan_is_no_value(name):
    """What lies beyond the cuts is darkest or brightest, also at infinity."""
    values = np.array([[np.nan, -np.inf, -1e300, 1e300, np.inf]])

    assert stretch_values(values, Limits(0.0, 1.0), name).tolist() == [[0, 1, 1, 255, 255]]
