"""Cuts: which values of an image are drawn darkest and brightest. No I/O."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.floating[Any]]

_SAMPLE = 100_000  # values that a percentile or a line is found from; a million cost 14 ms, not 1

# IRAF's zscale, with the parameters that DS9 and astropy give it.
_ZSCALE_SAMPLE = 1000
_CONTRAST = 0.25
_MAX_STEPS = 5
_REJECTED_SIGMA = 2.5
_MIN_LEFT = 0.5  # of the sample, that the line must be fitted to


@dataclass(frozen=True, slots=True)
class Percentile:
    """As many per cent of the values lie between the cuts, and as many below as above them."""

    percent: float
    """In (0, 100]."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The cuts themselves."""

    low: float
    high: float
    """Above `low`."""


Cuts = str | Percentile | Limits
"""How cuts are chosen; as text ``zscale`` or ``minmax``."""


def find_limits(values: Values, cuts: Cuts) -> Limits:
    """Find the cuts of an image.

    Parameters
    ----------
    values : ndarray of float
        Of the pixels that are shown; what is not finite does not count.
    cuts : Cuts
        How they are chosen.
    """
    if isinstance(cuts, Limits):
        return cuts
    finite = values[np.isfinite(values)]
    if not finite.size:
        return Limits(0.0, 1.0)
    if isinstance(cuts, Percentile):
        tail = (100 - cuts.percent) / 2
        low, high = np.percentile(_thin(finite, _SAMPLE), (tail, 100 - tail))
    elif cuts == "zscale":
        low, high = _zscale(np.sort(_thin(finite, _ZSCALE_SAMPLE)).astype(np.float64))
    else:
        low, high = finite.min(), finite.max()
    # an image of one value has no contrast, and must not divide by it
    return Limits(float(low), float(high) if high > low else float(low) + 1)


def _thin(values: Values, count: int) -> Values:
    return values[:: max(1, values.size // count)][:count] if values.size > count else values


def _zscale(ordered: NDArray[np.float64]) -> tuple[float, float]:
    """Fit a line through the sorted values, without the stars at their ends.

    Notes
    -----
    The algorithm of IRAF's display task: the slope at the median, divided by the contrast, leads
    from the median to both ends of the range of the cuts, which never leave that of the values.
    """
    low, high, count = ordered[0], ordered[-1], len(ordered)
    least = max(5, int(count * _MIN_LEFT))
    place, kept, left = np.arange(count), np.ones(count, bool), count + 1
    slope = intercept = 0.0
    grown = max(1, int(count * 0.01))  # a rejected value takes its neighbours along
    for _ in range(_MAX_STEPS):
        now = int(kept.sum())
        if now >= left or now < least:
            break
        left = now
        slope, intercept = np.polyfit(place[kept], ordered[kept], 1)
        away = ordered - (intercept + slope * place)
        bad = np.abs(away) > _REJECTED_SIGMA * away[kept].std()
        kept = ~np.convolve(bad | ~kept, np.ones(grown, bool), mode="same")
    if int(kept.sum()) < least:
        return low, high
    middle, median = (count - 1) // 2, float(np.median(ordered))
    slope /= _CONTRAST
    return max(low, median - middle * slope), min(high, median + (count - middle) * slope)
