"""Coordinates: the world coordinates of a file's images, and which of them a query may reach.

A mosaic camera writes hundreds of detectors into one file, of which a query meets one or two: each
has a circle on the sky around it, and only the images whose circles the query touches are looked at
closely. No I/O.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import cos, hypot, radians, sin

import numpy as np
from numpy.typing import NDArray

from gateway.core.errors import NoUsableWcs
from gateway.core.image import CUT_AXES, Image, Parent
from gateway.core.query import CutoutQuery, PixelSize, SkyPosition
from gateway.core.wcs import ImageWcs, separation_deg

_FEW = 8  # images; below that to look closely is as quick, and can say why there is no overlap
_SIDE = 9  # places along each side of an image where its circle is measured
_MARGIN = 1.1  # distortion bulges between them
_MAX_RADIUS_DEG = 60.0  # beyond it nothing is simple
_EVERYWHERE = 180.0


class Coordinates:
    """The world coordinates of a file's images.

    Parameters
    ----------
    parent : Parent
        The file.
    found : mapping
        By the cards that they are made from: coordinates, or why there are none.
    """

    def __init__(self, parent: Parent, found: Mapping[bytes, ImageWcs | NoUsableWcs]) -> None:
        self._wcs: dict[int, ImageWcs] = {}
        self.followers: dict[int, list[int]] = {}
        """The HDUs whose coordinates and shape are no earlier one's, each with those that are cut
        like it: itself, others of the same, and the masks of their shape that come after one of
        them and have no coordinates."""
        self.loose: list[int] = []
        """The HDUs of images that are on no sky and follow none that is."""
        leaders: dict[tuple[bytes, tuple[int, ...]], int] = {}
        latest: tuple[bytes, tuple[int, ...]] = b"", ()
        for index, image in parent.images.items():
            wcs, shape = found.get(image.wcs_cards), image.shape[:CUT_AXES]
            if isinstance(wcs, ImageWcs):
                self._wcs[index] = wcs
                latest = image.wcs_cards, shape
                leader = leaders.setdefault(latest, index)
                self.followers.setdefault(leader, []).append(index)
            elif latest[1] == shape:
                self.followers[leaders[latest]].append(index)
            else:
                self.loose.append(index)
        self._leaders = list(self.followers)
        self._circles = None
        if len(self._leaders) > _FEW:
            self._circles = _Circles.around(
                (parent.images[index], self._wcs[index]) for index in self._leaders
            )

    def wcs_of(self, index: int) -> ImageWcs:
        """Give the coordinates of one of the HDUs that have them."""
        return self._wcs[index]

    def find(self, index: int) -> ImageWcs | None:
        """Give the coordinates of an HDU: its own, or those of the image that it follows."""
        leaders = (i for i, followers in self.followers.items() if index in followers)
        return next((self._wcs[leader] for leader in leaders), None)

    def near(self, query: CutoutQuery) -> list[int]:
        """Name the HDUs with followers that a query could overlap, and few others.

        Never none: where nothing is near, a look at the first can say why.
        """
        if self._circles is None or not isinstance(query.center, SkyPosition):
            return self._leaders
        reached = self._circles.reached_by(query.center, query)
        return [self._leaders[i] for i in reached] or self._leaders[:1]


@dataclass(frozen=True, slots=True)
class _Circles:
    """A circle on the sky around each of several images."""

    centers: NDArray[np.float64]
    """Unit vectors, shape (n, 3), J2000."""
    radii_deg: NDArray[np.float64]
    scales_deg: NDArray[np.float64]
    """The largest size of a pixel of each."""

    @classmethod
    def around(cls, images: Iterable[tuple[Image, ImageWcs]]) -> "_Circles":
        """Measure circles, generously."""
        measured = [_measure(image, wcs) for image, wcs in images]
        centers, radii, scales = zip(*measured, strict=True)
        return cls(np.array(centers), np.array(radii), np.array(scales))

    def reached_by(self, center: SkyPosition, query: CutoutQuery) -> NDArray[np.intp]:
        """Give the numbers of the images whose circles a query touches."""
        size = query.size
        reach: NDArray[np.float64] | float
        if isinstance(size, PixelSize):
            reach = self.scales_deg * (hypot(size.x, size.y) / 2 + 1)
        else:
            reach = hypot(size.x_deg, size.y_deg) / 2 + self.scales_deg
        towards = _unit_vector(center.ra_deg, center.dec_deg)
        distance = np.degrees(np.arccos(np.clip(self.centers @ towards, -1, 1)))
        return np.flatnonzero(distance <= self.radii_deg + _MARGIN * reach)


def _measure(image: Image, wcs: ImageWcs) -> tuple[NDArray[np.float64], float, float]:
    """Give the centre, the radius and the largest pixel of an image, as unit vector and degrees."""
    nx, ny = image.shape[:CUT_AXES]
    x, y = np.linspace(0.5, nx + 0.5, _SIDE), np.linspace(0.5, ny + 0.5, _SIDE)
    grid = wcs.to_sky(np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2))
    middle = grid[len(grid) // 2]
    gaps = separation_deg(grid, middle[None, :])
    by_row = grid.reshape(_SIDE, _SIDE, 2)
    along_x = separation_deg(by_row[:, :-1].reshape(-1, 2), by_row[:, 1:].reshape(-1, 2))
    along_y = separation_deg(by_row[:-1].reshape(-1, 2), by_row[1:].reshape(-1, 2))
    scale = max(along_x.max() / nx, along_y.max() / ny) * (_SIDE - 1)
    radius = _MARGIN * gaps.max() + scale
    if not wcs.is_j2000 or not radius < _MAX_RADIUS_DEG:  # neither is NaN
        return _unit_vector(0, 90), _EVERYWHERE, 0.0
    return _unit_vector(middle[0], middle[1]), radius, scale


def _unit_vector(lon_deg: float, lat_deg: float) -> NDArray[np.float64]:
    lon, lat = radians(lon_deg), radians(lat_deg)
    return np.array((cos(lat) * cos(lon), cos(lat) * sin(lon), sin(lat)))
