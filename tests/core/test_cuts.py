"""Cuts, against those of astropy."""

import numpy as np
import pytest
from astropy.visualization import PercentileInterval, ZScaleInterval
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.cuts import Limits, Percentile, find_limits
from tests.fits_files import pixels


@given(st.integers(0, 2**32), st.integers(1, 3000), st.floats(0, 0.2))
def test_zscale_is_that_of_astropy(seed, count, bright):
    """Sky with stars is cut as everybody's viewer cuts it."""
    rng = np.random.default_rng(seed)
    values = rng.normal(100, 20, count)
    values[rng.random(count) < bright] *= 50

    found = find_limits(values, "zscale")

    if count > 1 and values.max() > values.min():
        expected = ZScaleInterval().get_limits(values)
        np.testing.assert_allclose((found.low, found.high), expected, rtol=1e-9)


@pytest.mark.parametrize("percent", [50, 95, 99.5, 100])
def test_a_percentage_is_that_of_astropy(percent):
    """As many values are cut below as above."""
    values = pixels((80, 90))
    expected = PercentileInterval(percent).get_limits(values[np.isfinite(values)])

    found = find_limits(values, Percentile(percent))

    np.testing.assert_allclose((found.low, found.high), expected, rtol=1e-6)


def test_a_percentage_of_many_values_is_found_from_some():
    """A hundred thousand values tell it well enough."""
    values = np.random.default_rng(1).normal(0, 1, 1_000_000)

    found = find_limits(values, Percentile(95))

    np.testing.assert_allclose((found.low, found.high), (-1.96, 1.96), atol=0.03)


def test_minmax_looks_at_all_values():
    """The ends are the smallest and the largest finite value."""
    values = np.array([[np.nan, 3, -np.inf], [7, -2, np.inf]])

    assert find_limits(values, "minmax") == Limits(-2.0, 7.0)


@pytest.mark.parametrize("cuts", ["zscale", "minmax", Percentile(99)])
@pytest.mark.parametrize(("value", "low"), [(np.nan, 0), (5.0, 5)])
def test_an_image_without_contrast_has_cuts(cuts, value, low):
    """Nothing but NaN, or but one value, divides nothing by zero."""
    assert find_limits(np.full((4, 4), value), cuts) == Limits(low, low + 1)


def test_given_cuts_are_taken():
    """No value is looked at."""
    assert find_limits(np.empty(0), Limits(1.0, 2.0)) == Limits(1.0, 2.0)
