"""Stretch: values between the cuts -> levels of a colour map. No I/O."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from gateway.core.cuts import Limits, Values

N_LEVELS = 255
"""Levels 1 to 255 are values; 0 is no value."""

_SOFTENING = 0.1  # asinh is linear below this part of the range
_LOG_RANGE = 1000

STRETCHES: Mapping[str, Callable[[Values], Values]] = MappingProxyType(
    {
        "asinh": lambda x: np.arcsinh(x / _SOFTENING) / np.arcsinh(1 / _SOFTENING),
        "linear": lambda x: x,
        "sqrt": np.sqrt,
        "log": lambda x: np.log1p(x * _LOG_RANGE) / np.log1p(_LOG_RANGE),
    }
)
"""The curves from 0 … 1 to 0 … 1; those of astropy and DS9."""


def stretch_values(values: Values, limits: Limits, stretch: str) -> NDArray[np.uint8]:
    """Turn values into levels.

    Parameters
    ----------
    values : ndarray of float
        Of the pixels; NaN is level 0.
    limits : Limits
        The values of the lowest and the highest level; what lies beyond is cut.
    stretch : str
        One of `STRETCHES`.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        part = (values - limits.low) / (limits.high - limits.low)
        curve = STRETCHES[stretch](np.clip(part, 0, 1))
        levels = 1 + curve * (N_LEVELS - 1) + 0.5
        return np.where(np.isnan(levels), 0, levels).astype(np.uint8)
