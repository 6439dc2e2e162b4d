"""Sky box: which pixels a position or a size on the sky selects. No I/O."""

from collections.abc import Callable

import numpy as np

from gateway.core.box import BoxRule, plan_box, plan_box_between, steady
from gateway.core.errors import NoUsableWcs
from gateway.core.query import AngularSize, CutoutQuery, PixelPosition, PixelSize
from gateway.core.section import Section
from gateway.core.wcs import ImageWcs, Points, separation_deg


def plan_sky_box(
    wcs: ImageWcs, query: CutoutQuery, rule: BoxRule, shape: tuple[int, ...]
) -> Section:
    """Give the box of a query of which a part is an angle.

    Parameters
    ----------
    wcs : ImageWcs
        Of the image.
    query : CutoutQuery
        What is asked for.
    rule : BoxRule
        How pixels are counted.
    shape : tuple of int
        NAXIS1, NAXIS2, … of the image.

    Raises
    ------
    NoUsableWcs
        The centre has no place in the image's projection, or no sky is around it.
    """
    if isinstance(query.center, PixelPosition):
        x, y = query.center.x, query.center.y
    else:
        x, y = wcs.to_pixel(query.center.ra_deg, query.center.dec_deg)
        x, y = steady(x), steady(y)
    if isinstance(query.size, PixelSize):
        return plan_box(rule, x, y, query.size.x, query.size.y)
    if rule is BoxRule.EXACT:
        width_px, height_px = _size_px(wcs, x, y, query.size)
        return plan_box(rule, x, y, steady(width_px), steady(height_px))
    return _box_on_sky(wcs, x, y, query.size, shape)


def _size_px(wcs: ImageWcs, x: float, y: float, size: AngularSize) -> tuple[float, float]:
    """Divide an angular size by the local pixel scale along each axis.

    It is that of a pixel around the centre, or of the half of it that is not beyond the sky's edge.
    """
    ends = np.array([(x - 0.5, y), (x, y - 0.5), (x + 0.5, y), (x, y + 0.5), (x, y)])
    sky = wcs.to_sky(ends)
    is_lost = np.isnan(sky[:4, 0])
    sky[:4][is_lost] = sky[4]
    lengths_px = np.where(is_lost[:2] | is_lost[2:], 0.5, 1.0)
    scale_x, scale_y = map(float, separation_deg(sky[:2], sky[2:4]) / lengths_px)
    if not (scale_x > 0 and scale_y > 0):
        raise NoUsableWcs("The image has no sky at the centre, so that an angle has no length.")
    return size.x_deg / scale_x, size.y_deg / scale_y


_DIRECTIONS = np.array([(-1.0, 0.0), (1.0, 0.0), (0.0, -1.0), (0.0, 1.0)])
_EVEN = np.linspace(0, 1, 33)[1:]
_SAMPLES = _EVEN**2  # denser where small boxes end
_LEFT_PX = 0.5
_HALVINGS = 40  # of a way to the edge of the sky


def _box_on_sky(
    wcs: ImageWcs, x: float, y: float, size: AngularSize, shape: tuple[int, ...]
) -> Section:
    """Go from the centre along the row and the column until the distance is half the size."""
    center = np.array([(x, y)])
    origin = wcs.to_sky(center)
    if not np.isfinite(origin).all():
        raise NoUsableWcs("The image has no sky at the centre, so that an angle has no length.")
    half = np.repeat((size.x_deg / 2, size.y_deg / 2), 2)
    # a pixel beyond the edge of the image: the rest is clipped
    limit = np.maximum([x, shape[0] + 1 - x, y, shape[1] + 1 - y], 0)

    def excess(steps: Points) -> Points:
        """Say how far beyond half the size the ends of steps lie; NaN where no sky is."""
        ends = (center + steps[..., None] * _DIRECTIONS[:, None, :]).reshape(-1, 2)
        gaps = separation_deg(wcs.to_sky(ends), origin).reshape(steps.shape)
        beyond: Points = gaps - half[:, None]
        return beyond

    steps = _first_root(excess, _stop_before_edge(excess, limit))
    return plan_box_between(
        steady(x - steps[0]), steady(x + steps[1]), steady(y - steps[2]), steady(y + steps[3])
    )


def _stop_before_edge(excess: Callable[[Points], Points], limit: Points) -> Points:
    """Shorten the ways on which half the size is reached before the sky ends.

    Else no sample might lie in between, and the way would go on to where there is sky again. The
    production program does go on where less than half a pixel is left.
    """
    index = np.arange(len(limit))
    steps = limit[:, None] * np.concatenate([[0.0], _SAMPLES])
    is_lost = np.isnan(excess(steps))
    if not is_lost.any():  # as in all images but maps of all the sky
        return limit
    first = is_lost.argmax(axis=1)  # 0 where the sky goes on
    low, high = steps[index, np.maximum(first - 1, 0)], steps[index, first]
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        is_out = np.isnan(excess(middle[:, None])[:, 0])
        low, high = np.where(is_out, low, middle), np.where(is_out, middle, high)
    is_reached = excess(np.maximum(low - _LEFT_PX, 0)[:, None])[:, 0] >= 0
    shortened: Points = np.where(is_lost.any(axis=1) & is_reached, low, limit)
    return shortened


def _first_root(excess: Callable[[Points], Points], limit: Points) -> Points:
    """Find where each of several functions first stops being negative, between 0 and its limit.

    Samples close in on the place; the last, short interval is taken for straight. A function that
    stays negative, or is no number, gives its limit.

    Parameters
    ----------
    excess : callable
        From arguments, shape (functions, samples), to values of the same shape.
    limit : ndarray, shape (functions,)
        Up to where each is searched.
    """
    index = np.arange(len(limit))
    low, width, shares = np.zeros_like(limit), limit, _SAMPLES
    for _ in range(3):
        steps = np.concatenate([low[:, None], low[:, None] + width[:, None] * shares], axis=1)
        values = np.nan_to_num(excess(steps), nan=-1.0)
        reached = values[:, 1:] >= 0
        after = np.where(reached.any(axis=1), reached.argmax(axis=1) + 1, len(shares))
        low, width = steps[index, after - 1], steps[index, after] - steps[index, after - 1]
        shares = _EVEN
    below, above = values[index, after - 1], values[index, after]
    rise = np.where(above > below, above - below, 1.0)
    share = np.where(above < 0, 1.0, -below / rise)
    roots: Points = low + width * np.clip(share, 0.0, 1.0)
    return roots
