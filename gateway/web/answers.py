"""Answers: from a plan to a response, for cutouts and for files.

Both are bytes with validators, so both know HEAD and Range (RFC 9110, 14). A gzipped cutout has
no byte ranges: where its bytes lie is only known when all are made.
"""

from collections.abc import AsyncGenerator, Awaitable
from contextlib import AbstractAsyncContextManager, aclosing
from time import perf_counter

from aiohttp import hdrs, web

from gateway.config import LimitSettings
from gateway.core.ranges import ByteRange
from gateway.service import Answer, Service, Timings
from gateway.storage.effort import EFFORT
from gateway.storage.store import Buffer, StoredObject
from gateway.web.admission import Admission
from gateway.web.complete import CompleteResponse
from gateway.web.conditional import (
    Multipart,
    Validators,
    content_range,
    parse_range,
    plan_multipart,
    selects_range,
)
from gateway.web.fields import Entity, Headers, write_common
from gateway.web.gzip import deflate, deflate_chunks
from gateway.web.pace import keep_step
from gateway.web.streaming import send
from gateway.web.trace import TRACE, X_REQUEST_ID


class Sender:
    """Makes the responses to one service's answers.

    Parameters
    ----------
    service : Service
        Reads the bytes.
    limits : LimitSettings
        How many ranges of one request are answered, and how many chunks are deflated at once.
    admission : Admission
        Gives large answers their turn.
    """

    def __init__(self, service: Service, limits: LimitSettings, admission: Admission) -> None:
        self._service = service
        self._max_ranges = limits.max_ranges
        self._inline_bytes = limits.inline_bytes
        self._deflated_at_once = limits.deflated_at_once
        self._admission = admission

    def send_plain(
        self, request: web.Request, answer: Answer, entity: Entity, validators: Validators
    ) -> Awaitable[web.StreamResponse]:
        """Answer with the bytes as they are, or with the ranges that are asked for.

        Raises
        ------
        RangeNotSatisfiable, GatewayError
        """
        size = answer.plan.size
        part, selected = ByteRange(0, size), ""
        if ranges := self._parse_ranges(request, size, validators):
            if len(ranges) > 1:
                multipart = plan_multipart(
                    ranges, content_type=entity.media_type, size=size, etag=validators.etag
                )
                headers = _make_headers(entity, validators.etag, "bytes")
                return self._send_multipart(request, answer, multipart, headers)
            part, selected = ranges[0], content_range(ranges[0], size)
        if part.size <= self._inline_bytes and request.method != hdrs.METH_HEAD:
            small = _make_small(request, entity, validators.etag, "bytes", selected)
            return self._send_small(request, answer, part, small, gzipped=False)
        status = 206 if selected else 200
        headers = _make_headers(entity, validators.etag, "bytes", selected)
        headers[hdrs.CONTENT_LENGTH] = str(part.size)
        if request.method == hdrs.METH_HEAD:
            return _send_head(answer, status, headers)
        large = web.StreamResponse(status=status, headers=headers)
        return self._send_large(request, answer, part, large, gzipped=False)

    def send_gzipped(
        self, request: web.Request, answer: Answer, entity: Entity, validators: Validators
    ) -> Awaitable[web.StreamResponse]:
        """Answer with a gzip file of the bytes.

        Raises
        ------
        GatewayError
        """
        part = ByteRange(0, answer.plan.size)
        if part.size <= self._inline_bytes and request.method != hdrs.METH_HEAD:
            small = _make_small(request, entity, validators.etag, "none")
            return self._send_small(request, answer, part, small, gzipped=True)
        headers = _make_headers(entity, validators.etag, "none")
        if request.method == hdrs.METH_HEAD:
            return _send_head(answer, 200, headers)
        large = web.StreamResponse(headers=headers)
        return self._send_large(request, answer, part, large, gzipped=True)

    def _parse_ranges(
        self, request: web.Request, size: int, validators: Validators
    ) -> list[ByteRange] | None:
        header = request.headers.get(hdrs.RANGE)
        if header is None or request.method != hdrs.METH_GET:
            return None
        if not selects_range(request.headers, validators):
            return None
        return parse_range(header, size, max_ranges=self._max_ranges)

    async def _send_small(
        self,
        request: web.Request,
        answer: Answer,
        part: ByteRange,
        response: CompleteResponse,
        *,
        gzipped: bool,
    ) -> web.StreamResponse:
        """Make all of an answer, then send it, in step with the requests that came together."""
        trace = request[TRACE]
        response.begin_head(request, describe_steps(answer.timings))
        async with self._turn(request, answer, part.size):
            await keep_step()
            started = perf_counter()
            data = self._service.read_now(answer, part.start, part.stop)
            if data is None:
                data = await self._service.read_small(answer, part.start, part.stop)
        made: Timings = {"read": (started, read := perf_counter())}
        if gzipped:
            data = deflate(data)
            made["encode"] = read, perf_counter()
        answer.timings |= made
        await keep_step()
        if trace.tracer.is_draining:  # since the head was begun
            response.force_close()
        try:
            response.send(request, data, describe_timing(made, answer.stored))
        except ConnectionError:
            trace.broken = response
            raise
        trace.sent_bytes = len(data)
        return response

    async def _send_large(
        self,
        request: web.Request,
        answer: Answer,
        part: ByteRange,
        response: web.StreamResponse,
        *,
        gzipped: bool,
    ) -> web.StreamResponse:
        """Send an answer chunk by chunk, while it is made."""
        async with self._turn(request, answer, part.size):
            response.headers["Server-Timing"] = describe_timing(answer.timings, answer.stored)
            chunks = self._read(answer, part.start, part.stop)
            if gzipped:
                chunks = deflate_chunks(chunks, self._deflated_at_once)
            return await send(request, response, chunks)

    async def _send_multipart(
        self, request: web.Request, answer: Answer, multipart: Multipart, headers: Headers
    ) -> web.StreamResponse:
        headers[hdrs.CONTENT_TYPE] = multipart.content_type
        headers[hdrs.CONTENT_LENGTH] = str(multipart.size)
        response = web.StreamResponse(status=206, headers=headers)
        async with self._turn(request, answer, multipart.size):
            return await send(request, response, self._read_parts(answer, multipart))

    def _turn(
        self, request: web.Request, answer: Answer, size: int
    ) -> AbstractAsyncContextManager[None]:
        """Give the context in which some bytes of an answer are made."""
        return self._admission.turn(
            request[TRACE].quota, max(size, answer.plan.unpacked_bytes, answer.inflated_bytes)
        )

    def _read(self, answer: Answer, start: int, stop: int) -> AsyncGenerator[Buffer, None]:
        """Read the bytes of an answer in chunks, in turns with all others."""
        return self._admission.pace.keep(self._service.read_chunks(answer, start, stop))

    async def _read_parts(
        self, answer: Answer, multipart: Multipart
    ) -> AsyncGenerator[Buffer, None]:
        for prefix, part in multipart.parts:
            yield prefix
            chunks = self._read(answer, part.start, part.stop)
            async with aclosing(chunks):
                async for chunk in chunks:
                    yield chunk
        yield multipart.closing


def _make_small(
    request: web.Request, entity: Entity, etag: str, accept_ranges: str, selected: str = ""
) -> CompleteResponse:
    """Make the response of an answer whose head and body leave together, but for the body."""
    trace = request[TRACE]
    fields = f"{write_common(entity, accept_ranges, trace.manners)}ETag: {etag}\r\n"
    if selected:
        fields += f"Content-Range: {selected}\r\n"
    fields += f"{X_REQUEST_ID}: {trace.request_id}\r\n"
    return CompleteResponse(206 if selected else 200, fields)


def _make_headers(entity: Entity, etag: str, accept_ranges: str, selected: str = "") -> Headers:
    """Collect the fields of any other answer."""
    headers = entity.headers | {hdrs.ETAG: etag, hdrs.ACCEPT_RANGES: accept_ranges}
    if selected:
        headers[hdrs.CONTENT_RANGE] = selected
    return headers


async def _send_head(answer: Answer, status: int, headers: Headers) -> web.StreamResponse:
    """Answer a HEAD: all but the body."""
    headers["Server-Timing"] = describe_timing(answer.timings, answer.stored)
    return web.StreamResponse(status=status, headers=headers)


def describe_timing(timings: Timings, stored: StoredObject) -> str:
    """Write a Server-Timing field: how long each step took, and the work of the storage."""
    work = f"{stored.reads} reads, {stored.bytes_read} bytes, {stored.bytes_needed} needed"
    if retries := EFFORT.get().retries:
        work += f", {retries} repeated"
    return f'{describe_steps(timings)}, storage;desc="{work}"'


def describe_steps(timings: Timings) -> str:
    """Write how long each step took, in milliseconds."""
    return ", ".join(
        [f"{name};dur={(end - begin) * 1000:.3f}" for name, (begin, end) in timings.items()]
    )
