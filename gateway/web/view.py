"""The page of a file: to look at its images, and to find a cutout; and the same as JSON."""

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import hdrs, web

from gateway.access import PUBLIC
from gateway.core.colormap import COLORMAPS
from gateway.core.errors import BadParameter
from gateway.core.image import Parent
from gateway.core.layout import Hdu
from gateway.core.query import parse_hdus, shown
from gateway.core.selection import find_hdus
from gateway.core.stretch import STRETCHES
from gateway.service import Service, Source
from gateway.web.assets import assets_path
from gateway.web.entity import is_known, knows_tag, make_validators, success_headers
from gateway.web.listing import quote_segment, wants_json
from gateway.web.pages import HTML, render_page, viewer_security_policy
from gateway.web.trace import TRACE
from gateway.web.viewers import ticket_of

# Raise it when the page of an equal file is another.
PAGE_VERSION = 3


async def get_view(
    service: Service, request: web.Request, source: Source, parameters: Mapping[str, str]
) -> web.Response:
    """Answer ``?view`` with the page, and ``?view&hdu=3`` with the header of one HDU, too.

    Raises
    ------
    BadParameter, PreconditionFailed, CorruptFits, UnsupportedFits
    StorageUnavailable, StorageTimeout, SourceChanged
    """
    wanted = _parse(parameters)
    is_json = wants_json(request.headers.get(hdrs.ACCEPT, ""))
    ticket = _find_ticket(request, source)
    rules = f"{source.collection.rule} {source.collection.settings.gzip}"
    what = f"view {wanted} {is_json} {ticket} {rules} {PAGE_VERSION} {assets_path()}"
    validators = make_validators(source, what)
    headers = success_headers(source, validators) | {hdrs.VARY: hdrs.ACCEPT}
    # a page that outlives an upgrade would ask for scripts that are gone
    headers[hdrs.CACHE_CONTROL] = "no-cache"
    if knows_tag(request, validators):
        return web.Response(status=304, headers=headers)
    known, _ = await service.know(source, needs_sky=False)
    description = _describe(source, known.parent)
    index = None
    if wanted is not None:
        hdus = known.parent.layout.hdus
        (index, *_) = sorted(find_hdus(hdus, [wanted]))
        description["header"] = [card.decode("latin-1").rstrip() for card in hdus[index].header]
    if is_known(request, validators):
        return web.Response(status=304, headers=headers)
    if is_json:
        headers[hdrs.CONTENT_TYPE] = "application/json"
        return web.Response(body=json.dumps(description).encode() + b"\n", headers=headers)
    headers[hdrs.CONTENT_TYPE] = HTML
    headers["Content-Security-Policy"] = viewer_security_policy()
    description["ticket"] = ticket
    return web.Response(body=_render(source, known.parent, description, index), headers=headers)


def _find_ticket(request: web.Request, source: Source) -> str:
    """Give what the pictures on the page are opened by; empty if they are for everybody."""
    is_public = PUBLIC.may_see(source.collection.settings.access, source.key)
    return ticket_of(request) if request[TRACE].viewer.has_ticket and not is_public else ""


def _parse(parameters: Mapping[str, str]) -> int | str | None:
    """Read what stands beside ``view``: at most the HDU whose header is wanted."""
    if parameters["view"]:
        raise BadParameter("view", "it has no value: use ?view")
    for name in parameters:
        if name not in {"view", "hdu"}:
            raise BadParameter(shown(name), "it does not go with view; only hdu does.")
    if "hdu" not in parameters:
        return None
    wanted = parse_hdus(parameters["hdu"])
    if len(wanted) > 1:
        raise BadParameter("hdu", "a page shows one header; name one HDU.")
    return wanted[0]


def _describe(source: Source, parent: Parent) -> dict[str, Any]:
    settings, info = source.collection.settings, source.stored.info
    return {
        "path": source.name,
        "size": info.size,
        "box": settings.box,
        "gzip": settings.gzip,
        "hdus": [_describe_hdu(hdu, parent) for hdu in parent.layout.hdus],
    }


def _describe_hdu(hdu: Hdu, parent: Parent) -> dict[str, Any]:
    image = parent.images.get(hdu.index)
    return {
        "hdu": hdu.index,
        "name": hdu.name,
        "type": "table" if hdu.is_table and image is None else "image",
        "is_image": image is not None,
        "shape": hdu.shape if image is None else image.shape,
        "bitpix": hdu.bitpix if image is None else image.bitpix,
    }


def _render(
    source: Source, parent: Parent, description: dict[str, Any], wanted: int | None
) -> bytes:
    first = next(iter(parent.images), None)
    *ancestors, name = source.name.strip("/").split("/")
    up = len(ancestors)
    home = "../" * up
    return render_page(
        "view.html",
        name=name,
        href=f"./{quote_segment(name)}",
        home=home,
        assets=home + assets_path(),
        ancestors=[(each, "../" * (up - 1 - i) or "./") for i, each in enumerate(ancestors)],
        file=description,
        first=first,
        chosen=wanted if wanted is not None else first or 0,
        stretches=STRETCHES,
        colormaps=COLORMAPS,
    )
