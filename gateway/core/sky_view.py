"""Sky view: where a section of an image lies on the sky, and how it is turned. No I/O."""

from dataclasses import dataclass
from math import atan2, cos, degrees, radians

import numpy as np

from gateway.core.section import Section
from gateway.core.wcs import ImageWcs, separation_deg

_STEP_PX = 0.5


@dataclass(frozen=True, slots=True)
class SkyView:
    """A section of an image on the sky."""

    ra_deg: float
    dec_deg: float
    """Of its middle, J2000."""
    width_deg: float
    height_deg: float
    """Its sides at the pixel scale of its middle, as great circles."""
    north_deg: float
    """Where north is at its middle: counter-clockwise from the y axis, in (-180, 180]."""
    east_deg: float
    """Where east is: 90 on the sky as one sees it, -90 on a mirrored image."""


def view_section(section: Section, wcs: ImageWcs) -> SkyView | None:
    """Look at the middle of a section; None where there is no sky."""
    x, y = (section.x_start + section.x_stop + 1) / 2, (section.y_start + section.y_stop + 1) / 2
    offsets = ((0, 0), (-_STEP_PX, 0), (_STEP_PX, 0), (0, -_STEP_PX), (0, _STEP_PX))
    found = [wcs.to_j2000(x + dx, y + dy) for dx, dy in offsets]
    sky = np.array([place for place in found if place is not None])
    if len(sky) < len(offsets):
        return None
    (ra_deg, dec_deg), left, right, lower, upper = sky
    along_x, along_y = right - left, upper - lower
    # the matrix from pixels to degrees eastwards and northwards
    jacobian = np.array((along_x, along_y)).T
    jacobian[0] = (jacobian[0] + 180) % 360 - 180
    jacobian[0] *= cos(radians(dec_deg))
    to_pixels = np.linalg.pinv(jacobian)
    east_deg, north_deg = (degrees(atan2(-dx, dy)) for dx, dy in to_pixels.T)
    sides = separation_deg(np.array((left, lower)), np.array((right, upper)))
    return SkyView(
        ra_deg=float(ra_deg),
        dec_deg=float(dec_deg),
        width_deg=float(sides[0]) * section.nx,
        height_deg=float(sides[1]) * section.ny,
        north_deg=north_deg,
        east_deg=east_deg,
    )
