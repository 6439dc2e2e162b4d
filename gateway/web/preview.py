"""Previews: an image as a picture, and what the picture shows as JSON."""

import json
from dataclasses import asdict, replace
from typing import Any

from aiohttp import hdrs, web

from gateway.config import LimitSettings
from gateway.core.cuts import Limits
from gateway.core.names import cutout_name
from gateway.core.picture import CONTENT_TYPES
from gateway.core.preview_query import PreviewQuery
from gateway.core.sky_view import view_section
from gateway.pictures import Drawing, Pictures
from gateway.service import Service, Source
from gateway.web.answers import describe_timing
from gateway.web.entity import (
    disposition,
    is_gzipped,
    is_known,
    knows_tag,
    make_validators,
    success_headers,
)
from gateway.web.trace import TRACE

# Raise it when equal queries of equal files give other pictures.
PICTURE_VERSION = 1


class Previews:
    """The answers with ``format=`` png, jpeg, webp or json.

    Parameters
    ----------
    service : Service
        Finds the files.
    limits : LimitSettings
        What a picture may cost.
    """

    def __init__(self, service: Service, limits: LimitSettings) -> None:
        self._service = service
        self._pictures = Pictures(service, limits)
        self._version = f"{PICTURE_VERSION},{limits.max_picture_px}"

    async def get(
        self,
        request: web.Request,
        source: Source,
        query: PreviewQuery,
        resolved: tuple[float, float],
    ) -> web.Response:
        """Answer with a picture, or its numbers.

        Raises
        ------
        PreconditionFailed, GatewayError
        """
        validators = make_validators(
            source,
            f"{query}{source.collection.rule}{source.collection.settings.gzip}{self._version}",
        )
        headers = success_headers(source, validators)
        if knows_tag(request, validators):
            return web.Response(status=304, headers=headers)
        is_json = query.format == "json"
        drawing = await self._pictures.plan(source, query, needs_sky=is_json)
        if is_known(request, validators):
            return web.Response(status=304, headers=headers)
        drawing.timings["resolve"] = resolved
        request[TRACE].timings = drawing.timings
        headers[hdrs.CONTENT_TYPE] = "application/json"
        if not is_json:
            headers[hdrs.CONTENT_TYPE] = CONTENT_TYPES[query.format]
            name = f"{cutout_name(source.file_name, gzipped=False)}.{query.format}"
            headers[hdrs.CONTENT_DISPOSITION] = disposition(name, "inline")
        if request.method == hdrs.METH_HEAD:
            return web.Response(headers=headers)
        if is_json:
            body = await self._describe(source, query, drawing)
        else:
            body = await self._pictures.draw(drawing, query)
        headers["Server-Timing"] = describe_timing(drawing.timings, drawing.stored)
        return web.Response(body=body, headers=headers)

    async def _describe(self, source: Source, query: PreviewQuery, drawing: Drawing) -> bytes:
        """Write what a picture shows, and what the cutout of the same query would be."""
        cuts, extent = await self._pictures.measure(drawing, query)
        numbers: dict[str, Any] = {"picture": _describe_picture(drawing, cuts, extent)}
        if query.area is not None:
            area = query.area if query.hdu is None else replace(query.area, hdus=(query.hdu,))
            answer = await self._service.plan_cutout(source, area)
            gzipped = is_gzipped(source, query.area)
            numbers["cutout"] = {
                "name": cutout_name(source.file_name, gzipped=gzipped),
                "bytes": answer.plan.size,
            }
        return json.dumps(numbers).encode() + b"\n"


def _describe_picture(drawing: Drawing, cuts: Limits, extent: Limits | None) -> dict[str, Any]:
    """Say what a picture shows, in FITS pixel coordinates and degrees."""
    image, section = drawing.image, drawing.sampling.section
    sky = None
    if drawing.wcs is not None:
        view = view_section(section, drawing.wcs)
        sky = None if view is None else asdict(view)
    return {
        "hdu": image.hdu.index,
        "name": image.hdu.name,
        "x": section.x_start + 1,
        "y": section.y_start + 1,
        "width": section.nx,
        "height": section.ny,
        "step": drawing.sampling.step,
        "unit": image.header.get_str("BUNIT"),
        "low": cuts.low,
        "high": cuts.high,
        "minimum": extent.low if extent else None,
        "maximum": extent.high if extent else None,
        "sky": sky,
    }
