"""Quantization: floats that were stored as scaled integers, with or without dithering. No I/O."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

_N_RANDOM = 10_000
_EXACT_ZERO = -2_147_483_646  # how SUBTRACTIVE_DITHER_2 stores 0.0

DITHERS = ("NO_DITHER", "SUBTRACTIVE_DITHER_1", "SUBTRACTIVE_DITHER_2")


@dataclass(frozen=True, slots=True)
class Quantization:
    """How the floats of one tile became integers: ``float = zero + scale * integer``."""

    scale: float
    zero: float
    blank: int | None
    """The integer that stands for NaN, if there is one."""


def restore_floats(
    values: NDArray[Any], quantization: Quantization, dither: str, seed: int
) -> NDArray[np.float64]:
    """Give the floats that the integers of a tile stand for.

    Parameters
    ----------
    values : ndarray of int
        In the order of the tile's pixels.
    quantization : Quantization
        Of the tile.
    dither : str
        One of `DITHERS`.
    seed : int
        Row of the tile in the table, counted from 0, plus ZDITHER0.

    Notes
    -----
    FITS 4.0, 10.2: the same pseudo-random numbers that were added to the scaled pixels before they
    were rounded are subtracted again.
    """
    floats = values.astype(np.float64)
    if dither != "NO_DITHER":
        floats -= _dither(seed, values.size).reshape(values.shape)
        floats += 0.5
    with np.errstate(over="ignore", invalid="ignore"):
        floats *= quantization.scale
        floats += quantization.zero
    if dither == "SUBTRACTIVE_DITHER_2":
        floats[values == _EXACT_ZERO] = 0.0
    if quantization.blank is not None:
        floats[values == quantization.blank] = np.nan
    return floats


def _dither(seed: int, count: int) -> NDArray[np.float32]:
    """Give the random numbers of a tile: the end of the sequence, from a place that it says itself.

    The next place is taken from the next number of the sequence, as often as there are pixels.
    """
    sequence = _random_sequence()
    parts = []
    place = seed - 1
    while count > 0:
        part = sequence[int(sequence[place % _N_RANDOM] * np.float32(500)) :][:count]
        parts.append(part)
        count -= len(part)
        place += 1
    return np.concatenate(parts)


@cache
def _random_sequence() -> NDArray[np.float32]:
    """Make the ten thousand numbers of FITS 4.0, Appendix I."""
    multiplier, modulus = 16807, 2**31 - 1
    seeds = [multiplier]
    while len(seeds) < _N_RANDOM:
        seeds.append(seeds[-1] * multiplier % modulus)
    return (np.array(seeds) / modulus).astype(np.float32)
