"""Box: which pixels a position and a size in pixels select. No I/O, no sky.

A box is a `Section` that may lie partly or wholly outside of its image.
"""

from enum import StrEnum
from math import floor

from gateway.core.section import Section

# of a pixel, to which what comes from a WCS is rounded: a platform's last digit never moves a box
_STEPS = 1e6
_LIMIT = 1e15  # pixels; beyond it a double no longer counts them


class BoxRule(StrEnum):
    """How a collection counts pixels."""

    EXACT = "exact"
    """``size=100px`` gives 100 pixels."""
    IBE = "ibe"
    """Every pixel that the requested area touches: ``size=100px`` gives 101."""


def steady(coordinate: float) -> float:
    """Round a pixel coordinate that came from a WCS, and keep it countable."""
    if not -_LIMIT < coordinate < _LIMIT:
        coordinate = max(-_LIMIT, min(coordinate, _LIMIT))
    return round(coordinate * _STEPS) / _STEPS  # a tenth of the time of round(coordinate, 6)


def plan_box(rule: BoxRule, x: float, y: float, width_px: float, height_px: float) -> Section:
    """Give the box of a position and a size.

    Parameters
    ----------
    rule : BoxRule
        How pixels are counted.
    x, y : float
        The centre in FITS pixel coordinates.
    width_px, height_px : float
        Full width and height in pixels, >= 0.

    Examples
    --------
    >>> plan_box(BoxRule.EXACT, 29, 176, 90, 90).clip(512, 1024)
    Section(x_start=0, x_stop=74, y_start=131, y_stop=221)
    >>> plan_box(BoxRule.IBE, 50, 50, 100, 100)
    Section(x_start=-1, x_stop=100, y_start=-1, y_stop=100)
    """
    interval = _exact if rule is BoxRule.EXACT else _touched
    x_start, x_stop = interval(x, width_px)
    y_start, y_stop = interval(y, height_px)
    return Section(x_start, x_stop, y_start, y_stop)


def plan_box_between(x_low: float, x_high: float, y_low: float, y_high: float) -> Section:
    """Give the box of all pixels from the one that holds a corner to the one that holds the other.

    Parameters
    ----------
    x_low, x_high, y_low, y_high : float
        FITS pixel coordinates.
    """
    return Section(_holding(x_low) - 1, _holding(x_high), _holding(y_low) - 1, _holding(y_high))


def _exact(center: float, size_px: float) -> tuple[int, int]:
    """Count `size_px` pixels, rounded and at least one: floor(c - n/2) + 1 … floor(c + n/2)."""
    n = floor(min(size_px, _LIMIT) + 0.5) or 1
    if not -_LIMIT < center < _LIMIT:
        center = max(-_LIMIT, min(center, _LIMIT))
    start = floor(center - n / 2)
    return start, start + n  # floor(center + n / 2) rounds differently once in a while


def _touched(center: float, size_px: float) -> tuple[int, int]:
    """Take each pixel that is touched: floor(c - s/2 + 0.5) … floor(c + s/2 + 0.5)."""
    return _holding(center - size_px / 2) - 1, _holding(center + size_px / 2)


def _holding(coordinate: float) -> int:
    """Give the number, from 1, of the pixel that holds a coordinate."""
    return floor(max(-_LIMIT, min(coordinate, _LIMIT)) + 0.5)
