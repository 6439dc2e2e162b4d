"""Floats from integers; that astropy agrees is tested with whole files, in test_bands."""

import numpy as np
import pytest

from gateway.core.quantization import Quantization, _random_sequence, restore_floats

VALUES = np.array([[-2147483646, -5, 0], [7, 2147483647, -2147483648]], np.int32)
ZERO_PLACE = (0, 0)


def test_the_random_sequence_is_the_standards():
    """FITS 4.0, Appendix I: the 10,000th seed is 1043618065."""
    sequence = _random_sequence()
    assert len(sequence) == 10_000
    assert sequence[-1] == np.float32(1043618065 / 2147483647)


def test_integers_are_scaled():
    """Without dithering a float is zero + scale * integer."""
    floats = restore_floats(VALUES, Quantization(0.5, 3.0, None), "NO_DITHER", 1)
    np.testing.assert_array_equal(floats, VALUES * 0.5 + 3.0)


@pytest.mark.parametrize("dither", ["NO_DITHER", "SUBTRACTIVE_DITHER_1", "SUBTRACTIVE_DITHER_2"])
def test_blank_is_nan(dither):
    """The integer of ZBLANK, and no other, becomes NaN."""
    floats = restore_floats(VALUES, Quantization(0.5, 3.0, 7), dither, 1)
    assert np.argwhere(np.isnan(floats)).tolist() == [[1, 0]]


def test_the_second_dither_keeps_zero():
    """An exact zero stays one with SUBTRACTIVE_DITHER_2 only."""
    quantization = Quantization(0.5, 3.0, None)
    assert restore_floats(VALUES, quantization, "SUBTRACTIVE_DITHER_2", 1)[ZERO_PLACE] == 0
    assert restore_floats(VALUES, quantization, "SUBTRACTIVE_DITHER_1", 1)[ZERO_PLACE] != 0


def test_the_sequence_of_seeds_is_a_ring():
    """The seed of a tile counts modulo 10,000, and large tiles go on with the next."""
    values, quantization = np.zeros(30_000, np.int32), Quantization(1.0, 0.0, None)
    one, other = (
        restore_floats(values, quantization, "SUBTRACTIVE_DITHER_1", seed) for seed in (9999, 19999)
    )
    np.testing.assert_array_equal(one, other)
    assert np.abs(one).max() <= 0.5
    assert abs(one.mean()) < 0.01


def test_infinite_scales_give_no_warning():
    """A damaged ZSCALE makes infinities or NaN, and nothing else."""
    floats = restore_floats(VALUES, Quantization(np.inf, -np.inf, None), "NO_DITHER", 1)
    assert not np.isfinite(floats).any()
