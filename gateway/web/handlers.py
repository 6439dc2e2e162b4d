"""Handlers: thin. Parse what is asked for, ask the service, answer."""

from asyncio import to_thread
from collections.abc import Awaitable
from contextlib import aclosing
from time import perf_counter

from aiohttp import hdrs, web

from gateway.access import PUBLIC
from gateway.config import Settings
from gateway.core.errors import BadParameter, GatewayError, IsFolder, NotFound, SourceChanged
from gateway.core.folder_query import parse_folder_query
from gateway.core.names import cutout_name, is_fits
from gateway.core.preview_query import asks_for_picture, parse_preview_query
from gateway.core.query import CutoutQuery, parse_query, split_query
from gateway.service import Service, Source
from gateway.storage.archive import Collection, parse_path
from gateway.web.admission import Admission
from gateway.web.answers import Sender
from gateway.web.entity import (
    FITS,
    GZIP,
    content_type,
    disposition,
    entity_of,
    is_gzipped,
    is_known,
    knows_tag,
    make_validators,
    success_headers,
)
from gateway.web.gzip import DEFLATER
from gateway.web.listing import (
    JSON,
    render_folder,
    render_folder_json,
    render_landing,
    stream_folder_json,
    wants_json,
)
from gateway.web.pace import keep_step
from gateway.web.pages import HTML, content_security_policy
from gateway.web.preview import Previews
from gateway.web.streaming import send
from gateway.web.trace import TRACE
from gateway.web.view import get_view
from gateway.web.viewers import Viewers

# Raise it when equal queries of equal files give other bytes.
ENCODER_VERSION = 4


class Handlers:
    """The answers to all URLs of the archive.

    Parameters
    ----------
    service : Service
        Finds, plans and reads.
    settings : Settings
        How many ranges and entries are answered, into which chunks an answer is cut, and who may
        see it.
    admission : Admission
        Gives large answers their turn.
    """

    def __init__(self, service: Service, settings: Settings, admission: Admission) -> None:
        limits = settings.limits
        self._service = service
        self._viewers = Viewers(settings.server.signing_keys)
        self._is_partly_closed = settings.is_partly_closed
        self._sender = Sender(service, limits, admission)
        self._max_entries = limits.page_entries
        self._previews = Previews(service, limits)
        # what the bytes of a cutout depend on beside the file and the question
        chunks = f"{limits.chunk_bytes},{limits.inline_bytes}"
        self._encoder = f"{ENCODER_VERSION},{DEFLATER},{chunks}"

    async def get_landing(self, request: web.Request) -> web.Response:
        """Say what is served here."""
        viewer = request[TRACE].viewer = self._viewers.find(request, (), {})
        titles = {
            path: collection.settings.title
            for path, collection in self._service.archive.collections.items()
            if viewer.may_see(collection.settings.access, "")
        }
        # behind a proxy that speaks TLS, https is only known from what it says
        told = request.headers.get(hdrs.X_FORWARDED_PROTO, "")
        scheme = told if told in {"http", "https"} else request.scheme
        base_url = f"{scheme}://{request.host}"
        return _page(*render_landing(titles, base_url, request.headers.get(hdrs.ACCEPT, "")))

    async def get_health(self, _: web.Request) -> web.Response:
        """Say that the process is alive."""
        return web.Response(text="ok\n")

    async def get_readiness(self, _: web.Request) -> web.Response:
        """Say whether every storage can be reached."""
        try:
            await self._service.probe()
        except GatewayError:
            return web.Response(status=503, text="A storage cannot be reached.\n")
        return web.Response(text="ok\n")

    def find_collection(self, request: web.Request) -> Collection | None:
        """Give the collection that a request leads to, if there is one that all may know of."""
        try:
            return self._service.archive.find(parse_path(request.rel_url.raw_path), PUBLIC)
        except NotFound:
            return None

    async def get_options(self, request: web.Request) -> web.Response:
        """Answer a preflight (Fetch standard) and who asks what is answered here."""
        headers = {hdrs.ALLOW: "GET, HEAD, OPTIONS"}
        collection = self.find_collection(request)
        # a preflight brings no key: where something is closed, all that may be there is let through
        if collection.settings.cors if collection else self._is_partly_closed:
            headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = "*"
            headers[hdrs.ACCESS_CONTROL_ALLOW_METHODS] = headers[hdrs.ALLOW]
            headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = "*, Authorization"  # which * leaves out
            headers[hdrs.ACCESS_CONTROL_MAX_AGE] = "86400"
        return web.Response(status=204, headers=headers)

    async def get_path(self, request: web.Request, *, again: bool = False) -> web.StreamResponse:
        """Answer a folder, a file, or a part of a file."""
        url, trace = request.rel_url, request[TRACE]
        segments = parse_path(url.raw_path)
        parameters = split_query(url.raw_query_string)
        trace.viewer = self._viewers.find(request, segments, parameters)
        trace.collection = self._service.archive.find(segments, trace.viewer)
        if not segments[-1]:
            return await self._get_folder(request, segments[:-1], parameters)
        started = perf_counter()
        try:
            source = await self._service.open(segments, trace.viewer)
        except NotFound as error:
            is_folder = isinstance(error, IsFolder)
            if is_folder or self._service.archive.below(segments, trace.viewer):
                return _to_folder(request)
            raise
        trace.stored = source.stored
        try:
            return await self._answer(request, source, parameters, (started, perf_counter()))
        except SourceChanged:
            await self._service.forget(source)
            if trace.broken or again:
                raise
        # what was remembered of the file was too old: it is answered as it is
        return await self.get_path(request, again=True)

    def _answer(
        self,
        request: web.Request,
        source: Source,
        parameters: dict[str, str],
        resolved: tuple[float, float],
    ) -> Awaitable[web.StreamResponse]:
        """Answer what is asked of a file: itself, a cutout, a picture or its page."""
        if not parameters:
            return self._get_file(request, source, resolved)
        if not is_fits(source.file_name):
            raise BadParameter(next(iter(parameters)), "only FITS images can be cut.")
        if "view" in parameters:
            return get_view(self._service, request, source, parameters)
        if asks_for_picture(parameters):
            query = parse_preview_query(parameters)
            return self._previews.get(request, source, query, resolved)
        return self._get_cutout(request, source, parse_query(parameters), resolved)

    async def _get_folder(
        self, request: web.Request, segments: tuple[str, ...], parameters: dict[str, str]
    ) -> web.StreamResponse:
        query = parse_folder_query(parameters, self._max_entries)
        viewer = request[TRACE].viewer
        titles = self._service.archive.below(segments, viewer)
        path = f"/{'/'.join(segments)}/"
        if not wants_json(request.headers.get(hdrs.ACCEPT, "")):
            page = await self._service.read_page(segments, query, viewer)
            return _page(await to_thread(render_folder, path, page, titles), HTML)
        if query.limit is not None or not query.is_stored_order:
            page = await self._service.read_page(segments, query, viewer)
            return _page(await to_thread(render_folder_json, path, page, titles), JSON)
        entries = self._service.entries(segments, query, viewer)
        chunks = stream_folder_json(path, entries, titles)
        response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: JSON, hdrs.VARY: hdrs.ACCEPT})
        if request.method == hdrs.METH_HEAD:
            async with aclosing(chunks):
                await anext(chunks)  # a folder that is not there is told here, too
            return response
        return await send(request, response, chunks)

    async def _get_file(
        self, request: web.Request, source: Source, resolved: tuple[float, float]
    ) -> web.StreamResponse:
        validators = make_validators(source, "file")
        if is_known(request, validators):
            return web.Response(status=304, headers=success_headers(source, validators))
        answer = self._service.plan_file(source)
        answer.timings["resolve"] = resolved
        request[TRACE].timings = answer.timings
        entity = entity_of(source, content_type(source.file_name))
        return await self._sender.send_plain(request, answer, entity, validators)

    async def _get_cutout(
        self,
        request: web.Request,
        source: Source,
        query: CutoutQuery,
        resolved: tuple[float, float],
    ) -> web.StreamResponse:
        gzipped = is_gzipped(source, query)
        asked = f"{query.center} {query.size} {query.hdus} {gzipped} {source.collection.rule} "
        validators = make_validators(source, asked + self._encoder)
        if knows_tag(request, validators):
            return web.Response(status=304, headers=success_headers(source, validators))
        await keep_step()
        answer = await self._service.plan_cutout(source, query)
        if is_known(request, validators):
            return web.Response(status=304, headers=success_headers(source, validators))
        answer.timings["resolve"] = resolved
        request[TRACE].timings = answer.timings
        name = cutout_name(source.file_name, gzipped=gzipped)
        entity = entity_of(source, GZIP if gzipped else FITS, disposition(name))
        send_it = self._sender.send_gzipped if gzipped else self._sender.send_plain
        return await send_it(request, answer, entity, validators)


def _page(body: bytes, content_type: str) -> web.Response:
    headers: dict[str, str] = {hdrs.CONTENT_TYPE: content_type, hdrs.VARY: hdrs.ACCEPT}
    if content_type == HTML:
        headers["Content-Security-Policy"] = content_security_policy()
    return web.Response(body=body, headers=headers)


def _to_folder(request: web.Request) -> web.Response:
    url = request.rel_url
    query = f"?{url.raw_query_string}" if url.raw_query_string else ""
    # relative, so that it also holds behind a proxy that adds a prefix
    location = f"./{url.raw_path.rpartition('/')[2]}/{query}"
    return web.Response(status=301, headers={hdrs.LOCATION: location})
