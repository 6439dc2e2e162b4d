"""Paint a sky that looks like one: stars, a spiral galaxy and noise, in small stamps."""

from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Image = NDArray[np.float32]
"""Shape (ny, nx). Positions in it are x, y in pixels, counted from 0."""


def observe(rng: Generator, signal: Image, variance: Image) -> Image:
    """Add normal noise."""
    image = rng.standard_normal(signal.shape, np.float32)
    image *= np.sqrt(variance)
    image += signal
    return image


def add_stars(image: Image, rng: Generator, *, count: int, fwhm_px: float, faintest: float) -> None:
    """Scatter Moffat stars of which ten times fewer are ten times as bright."""
    ny, nx = image.shape
    peaks = np.minimum(faintest * (1 + rng.pareto(1.0, count)), 2000 * faintest)
    alpha_px = fwhm_px / (2 * np.sqrt(2 ** (1 / 3) - 1))  # for an exponent of 3
    for x, y, peak in zip(rng.uniform(0, nx, count), rng.uniform(0, ny, count), peaks, strict=True):
        stamp, dx, dy = _stamp(image, x, y, radius_px=int(12 * fwhm_px))
        stamp += peak * (1 + (dx**2 + dy**2) / alpha_px**2) ** -3


def add_spiral(image: Image, x: float, y: float, *, scale_px: float, peak: float) -> None:
    """Add an inclined exponential disk with two arms, and a round bulge."""
    stamp, dx, dy = _stamp(image, x, y, radius_px=int(12 * scale_px))
    along, across = 0.8 * dx + 0.6 * dy, (0.8 * dy - 0.6 * dx) / 0.65
    radius = np.hypot(along, across) / scale_px
    winding = 3.2 * np.log(radius + 0.05)
    arms = np.exp(2.0 * np.cos(2 * (np.arctan2(across, along) - winding)) - 2.0)
    disk = np.exp(-radius) * (0.25 + arms * np.tanh(radius))
    bulge = np.exp(-4.0 * np.sqrt(np.hypot(dx, dy) / scale_px))
    stamp += peak * (disk + 20 * bulge)


def _stamp(
    image: Image, x: float, y: float, *, radius_px: int
) -> tuple[Image, NDArray[Any], NDArray[Any]]:
    """Give the part of an image around a point, and how far its columns and rows lie from it."""
    x_start, y_start = max(0, int(x) - radius_px), max(0, int(y) - radius_px)
    stamp = image[y_start : int(y) + radius_px + 1, x_start : int(x) + radius_px + 1]
    ny, nx = stamp.shape
    return stamp, np.arange(nx) + x_start - x, (np.arange(ny) + y_start - y)[:, None]
