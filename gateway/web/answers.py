"""Answers: from a plan to a response, for cutouts and for files.

Both are bytes with validators, so both know HEAD and Range (RFC 9110, 14). A gzipped cutout has
no byte ranges: where its bytes lie is only known when all are made.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, aclosing
from time import perf_counter

from aiohttp import BytesPayload, hdrs, web
from aiohttp.abc import AbstractStreamWriter

from gateway.config import LimitSettings
from gateway.core.ranges import ByteRange
from gateway.service import Answer, Service, Timings
from gateway.storage.effort import EFFORT
from gateway.storage.store import Buffer, StoredObject
from gateway.web.admission import Admission
from gateway.web.conditional import (
    Multipart,
    Validators,
    content_range,
    parse_range,
    plan_multipart,
    selects_range,
)
from gateway.web.gzip import deflate, deflate_chunks
from gateway.web.streaming import send
from gateway.web.trace import TRACE

Headers = dict[str, str]


class _Apart(BytesPayload):
    """A body that leaves behind its head, by one call of the system, and not joined to it first.

    To join them would copy all of the body: a tenth of the time of a plain cutout of 200 px.
    """

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send the head and the body."""
        writer.send_headers()
        await super().write(writer)


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
        self._deflated_at_once = limits.deflated_at_once
        self._admission = admission

    async def send_plain(
        self, request: web.Request, answer: Answer, headers: Headers, validators: Validators
    ) -> web.StreamResponse:
        """Answer with the bytes as they are, or with the ranges that are asked for.

        Raises
        ------
        RangeNotSatisfiable, GatewayError
        """
        size = answer.plan.size
        headers[hdrs.ACCEPT_RANGES] = "bytes"
        ranges = self._parse_ranges(request, size, validators)
        if ranges is None:
            return await self._send_range(request, answer, ByteRange(0, size), 200, headers)
        if len(ranges) == 1:
            headers[hdrs.CONTENT_RANGE] = content_range(ranges[0], size)
            return await self._send_range(request, answer, ranges[0], 206, headers)
        multipart = plan_multipart(
            ranges, content_type=headers[hdrs.CONTENT_TYPE], size=size, etag=validators.etag
        )
        headers[hdrs.CONTENT_TYPE] = multipart.content_type
        headers[hdrs.CONTENT_LENGTH] = str(multipart.size)
        response = web.StreamResponse(status=206, headers=headers)
        async with self._turn(request, answer, sum(part.size for part in ranges)):
            return await send(request, response, self._read_parts(answer, multipart))

    async def send_gzipped(
        self, request: web.Request, answer: Answer, headers: Headers
    ) -> web.StreamResponse:
        """Answer with a gzip file of the bytes.

        Raises
        ------
        GatewayError
        """
        size = answer.plan.size
        headers[hdrs.ACCEPT_RANGES] = "none"
        if request.method == hdrs.METH_HEAD:
            headers["Server-Timing"] = server_timing(answer)
            return web.StreamResponse(headers=headers)
        async with self._turn(request, answer, size):
            await _keep_step()
            started = perf_counter()
            data = await self._service.read_small(answer, 0, size)
            if data is None:
                headers["Server-Timing"] = server_timing(answer)
                chunks = deflate_chunks(self._read(answer, 0, size), self._deflated_at_once)
                return await send(request, web.StreamResponse(headers=headers), chunks)
        read = perf_counter()
        packed = deflate(data)
        answer.timings["read"] = started, read
        answer.timings["encode"] = read, perf_counter()
        await _keep_step()
        headers["Server-Timing"] = server_timing(answer)
        return web.Response(body=packed, headers=headers)

    def _parse_ranges(
        self, request: web.Request, size: int, validators: Validators
    ) -> list[ByteRange] | None:
        header = request.headers.get(hdrs.RANGE)
        if header is None or request.method != hdrs.METH_GET:
            return None
        if not selects_range(request.headers, validators):
            return None
        return parse_range(header, size, max_ranges=self._max_ranges)

    async def _send_range(
        self, request: web.Request, answer: Answer, part: ByteRange, status: int, headers: Headers
    ) -> web.StreamResponse:
        headers[hdrs.CONTENT_LENGTH] = str(part.size)
        if request.method == hdrs.METH_HEAD:
            headers["Server-Timing"] = server_timing(answer)
            return web.StreamResponse(status=status, headers=headers)
        async with self._turn(request, answer, part.size):
            await _keep_step()
            started = perf_counter()
            data = await self._service.read_small(answer, part.start, part.stop)
            if data is None:
                headers["Server-Timing"] = server_timing(answer)
                response = web.StreamResponse(status=status, headers=headers)
                chunks = self._read(answer, part.start, part.stop)
                return await send(request, response, chunks)
        answer.timings["read"] = started, perf_counter()
        await _keep_step()
        headers["Server-Timing"] = server_timing(answer)
        return web.Response(status=status, body=_Apart(data), headers=headers)

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


def server_timing(answer: Answer) -> str:
    """Say where the time went, in milliseconds, and what the storage did."""
    return describe_timing(answer.timings, answer.stored)


def describe_timing(timings: Timings, stored: StoredObject) -> str:
    """Write a Server-Timing header: how long each step took, and the work of the storage."""
    steps = [f"{name};dur={(end - begin) * 1000:.3f}" for name, (begin, end) in timings.items()]
    work = f"{stored.reads} reads, {stored.bytes_read} bytes, {stored.bytes_needed} needed"
    if retries := EFFORT.get().retries:
        work += f", {retries} repeated"
    return ", ".join([*steps, f'storage;desc="{work}"'])


async def _keep_step() -> None:
    """Wait until the requests that came together with this one have come as far as it.

    The interpreter is half as fast where the pixels of a cutout have just gone through the
    processor's caches. So all that came together are planned, then all are read, then all are
    answered: a pass of the event loop costs 3 µs, and saves 40 of the 250 of a cutout of 200 px.
    """
    await asyncio.sleep(0)
