"""Pictures: what a file looks like. Find the image, read the few pixels that are shown, draw them.

Cuts are found from the pixels that are shown, so that a picture of a part needs no look at the
whole.
"""

import asyncio
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.config import LimitSettings
from gateway.core.colormap import color_table
from gateway.core.cuts import Limits, Values, find_limits
from gateway.core.errors import BadParameter, NoOverlap, UnsupportedFits
from gateway.core.image import Image, Parent
from gateway.core.picture import encode_picture
from gateway.core.placement import Placement, Uncut, place
from gateway.core.preview_query import PreviewQuery
from gateway.core.sampling import Sampling, plan_sampling, to_physical
from gateway.core.section import Section
from gateway.core.selection import find_hdus
from gateway.core.stretch import stretch_values
from gateway.core.wcs import ImageWcs
from gateway.samples import check_samples, read_samples
from gateway.service import Service, Source, Timings
from gateway.storage.store import StoredObject

_TINY_PX = 128 * 128  # are drawn at once: in less time than a hop to a thread takes


@dataclass(slots=True)
class Drawing:
    """A picture that is planned."""

    image: Image
    sampling: Sampling
    wcs: ImageWcs | None
    """Of the image, if there are any and they were needed."""
    stored: StoredObject
    timings: Timings


class Pictures:
    """Draws the images of a service.

    Parameters
    ----------
    service : Service
        Finds and knows the files.
    limits : LimitSettings
        What a picture may cost.
    """

    def __init__(self, service: Service, limits: LimitSettings) -> None:
        self._service = service
        self._limits = limits
        self._turns = asyncio.Semaphore(limits.pictures_at_once)

    async def plan(self, source: Source, query: PreviewQuery, *, needs_sky: bool) -> Drawing:
        """Plan a picture: the last point where anything can be refused.

        Parameters
        ----------
        source : Source
            The file.
        query : PreviewQuery
            What is to be drawn.
        needs_sky : bool
            Whether the coordinates are wanted though the query needs none.

        Raises
        ------
        BadParameter, NoOverlap, NoUsableWcs, CorruptFits, UnsupportedFits, TooLarge
        StorageUnavailable, StorageTimeout, SourceChanged
        """
        started = perf_counter()
        needs_sky = needs_sky or (query.area is not None and query.area.needs_sky)
        known, stored = await self._service.know(source, needs_sky=needs_sky)
        parent = known.parent
        placements: dict[int, Placement] = dict.fromkeys(parent.images, Uncut.WHOLE)
        if query.area is not None:
            placements = place(parent, query.area, source.collection.rule, known.coordinates)
        image = parent.images[_choose(parent, query, placements)]
        placement = placements[image.hdu.index]
        whole = Section(0, image.shape[0], 0, image.shape[1])
        section = placement if isinstance(placement, Section) else whole
        sampling = plan_sampling(section, query.width_px, self._limits.max_picture_px)
        check_samples(image, sampling, stored, known.size, self._limits)
        timings = {"plan": (started, perf_counter())}
        wcs = known.coordinates.find(image.hdu.index) if known.coordinates else None
        return Drawing(image, sampling, wcs, stored, timings)

    async def draw(self, drawing: Drawing, query: PreviewQuery) -> bytes:
        """Draw a picture.

        Raises
        ------
        CorruptFits, ShortRead, SourceChanged, StorageUnavailable, StorageTimeout
        """
        async with self._turns:
            raw = await self._read(drawing)
            started = perf_counter()
            if raw.size <= _TINY_PX:
                picture = _render(raw, drawing.image, query)
            else:
                picture = await asyncio.to_thread(_render, raw, drawing.image, query)
            drawing.timings["encode"] = started, perf_counter()
        return picture

    async def measure(self, drawing: Drawing, query: PreviewQuery) -> tuple[Limits, Limits | None]:
        """Find the cuts of a picture, and the range of the values that it shows, if there is one.

        Raises
        ------
        CorruptFits, ShortRead, SourceChanged, StorageUnavailable, StorageTimeout
        """
        async with self._turns:
            raw = await self._read(drawing)
            started = perf_counter()
            measured = await asyncio.to_thread(_measure, raw, drawing.image, query)
            drawing.timings["measure"] = started, perf_counter()
        return measured

    async def _read(self, drawing: Drawing) -> NDArray[Any]:
        started = perf_counter()
        raw = await read_samples(
            drawing.image, drawing.sampling, drawing.stored, self._limits.sampled_at_once_bytes
        )
        drawing.timings["read"] = started, perf_counter()
        return raw


def _choose(parent: Parent, query: PreviewQuery, placements: dict[int, Placement]) -> int:
    """Choose the HDU that is drawn: the first that is asked for and overlaps."""
    if not parent.images:
        raise UnsupportedFits("There is no image of two or more axes in this file to be drawn.")
    wanted = set(parent.images)
    if query.hdu is not None:
        wanted &= find_hdus(parent.layout.hdus, [query.hdu])
        if not wanted:
            raise BadParameter("hdu", "this HDU is no image of two or more axes: name another.")
    for index in sorted(wanted):
        if placements.get(index, Uncut.LEFT_OUT) is not Uncut.LEFT_OUT:
            return index
    raise NoOverlap(
        "The requested area does not overlap the image: move center, or enlarge size, until they "
        "meet, or choose another hdu."
    )


def _render(raw: NDArray[Any], image: Image, query: PreviewQuery) -> bytes:
    values = to_physical(raw, image)
    levels = stretch_values(values, find_limits(values, query.cuts), query.stretch)
    return encode_picture(levels, color_table(query.colormap), query.format)


def _measure(raw: NDArray[Any], image: Image, query: PreviewQuery) -> tuple[Limits, Limits | None]:
    values: Values = to_physical(raw, image)
    finite = values[np.isfinite(values)]
    extent = Limits(float(finite.min()), float(finite.max())) if finite.size else None
    return find_limits(values, query.cuts), extent
