"""What a gateway must not do, whatever it is sent and whatever its files hold.

`bench.fuzz` searches with this; what it ever found is kept in `tests/fuzz_corpus`, and asked again
by `tests/test_fuzz_corpus.py`.
"""

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from gateway.core.errors import GatewayError
from gateway.core.header import pad_to_block
from tests.core.cutting import scan

HANG_S = 5.0
_QUIET_S = 0.7
_SKY = "center=150.1,2.2"
QUERIES = (
    "center=10,10px&size=7px&gzip=0",
    "center=1,1px&size=99999px&gzip=0",
    "center=9,3px&size=5px",
    f"{_SKY}&size=10arcsec&gzip=0",
    f"{_SKY}&size=2deg,3px",
    "center=12,14px&size=1arcmin&gzip=0",
    "format=png",
    "format=json",
    f"format=jpeg&{_SKY}&size=30arcsec&width=50",
    "view",
    "",
)
"""What files are asked; those with gzip=0 are answered by FITS files that can be checked."""

_CUTOUT = re.compile(rb'\r\nContent-Disposition: [^\r]+\.(fits|fit|fts)"\r\n', re.IGNORECASE)
_LENGTH = re.compile(rb"\r\nContent-Length: (\d+)\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\nTransfer-Encoding: chunked\r\n", re.IGNORECASE)
_ANSWER = re.compile(rb"HTTP/1\.[01] (\d{3}) [^\r\n]*\r\n")
_NUMBERS = re.compile(r"[-+.\deE]*\d[-+.\deE]*|'[^']*'")
_LOG_FAULT = re.compile(
    r"^.*(Traceback|was sent SIG|WORKER TIMEOUT|never retrieved|exited with code|astropy).*$",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back on one connection."""

    status: int
    """Of the first answer; 0 without one."""
    head: bytes
    body: bytes
    """All that follows the first head."""

    @property
    def reason(self) -> str:
        """What a refusal says, without its numbers and names: what kind of answer it is."""
        if self.status < 400:
            return str(self.status)
        text = self.body.partition(b"\n")[0][:300].decode("latin-1")
        return f"{self.status} {_NUMBERS.sub('#', text)[:80]}"


NO_ANSWER = Answer(0, b"", b"")


async def exchange(port: int, pieces: Sequence[bytes]) -> bytes:
    """Send bytes on a connection of its own, in pieces, and read until it ends.

    A server may wait for more of what was begun; when it says nothing, the client ends.

    Raises
    ------
    TimeoutError
        The connection did not end in time.
    """
    async with asyncio.timeout(HANG_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        received = bytearray()
        try:
            with suppress(ConnectionError):
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
                while part := await _read(reader, writer):
                    received += part
        finally:
            writer.close()
    return bytes(received)


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    try:
        async with asyncio.timeout(_QUIET_S):
            return await reader.read(2**18)
    except TimeoutError:
        if not writer.is_closing():
            writer.write_eof()
        return await reader.read(2**18)


async def ask(port: int, path_and_query: str) -> bytes:
    """Ask for one thing."""
    request = f"GET {path_and_query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    async with asyncio.timeout(HANG_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(request.encode())
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()


def parse_answer(received: bytes) -> Answer:
    """Split what came back."""
    head, _, body = received.partition(b"\r\n\r\n")
    found = _ANSWER.match(received)
    return Answer(int(found[1]) if found else 0, head + b"\r\n", body)


def find_fault(answer: Answer) -> str | None:
    """Say what is wrong with the answer to one good question about any file, if anything is."""
    if not answer.status:
        return "no answer"
    if answer.status > 500:
        return f"{answer.status} of a file that is there: {answer.body[:100]!r}"
    if answer.status == 500:
        return find_unexplained(answer.head + b"\r\n" + answer.body)
    return _find_cut_short(answer) or _find_broken_cutout(answer)


def _find_cut_short(answer: Answer) -> str | None:
    length = _LENGTH.search(answer.head)
    if length is not None and int(length[1]) != len(answer.body):
        return f"{len(answer.body)} of {int(length[1])} bytes"
    if _CHUNKED.search(answer.head) and not answer.body.endswith(b"0\r\n\r\n"):
        return "no end"
    return None


def _find_broken_cutout(answer: Answer) -> str | None:
    """Say what is wrong with a plain cutout, as far as its headers tell."""
    if answer.status != 200 or not _CUTOUT.search(answer.head) or not _LENGTH.search(answer.head):
        return None
    try:
        stop = scan(answer.body, max_hdus=10_000).hdus[-1].data_range.stop
    except GatewayError as error:
        return f"the cutout is no FITS file: {error}"
    if pad_to_block(stop) != len(answer.body):
        return f"the cutout has {len(answer.body)} bytes where its headers tell of {stop}"
    return None


def find_unexplained(received: bytes) -> str | None:
    """Say which of the answers fails without a reason, if one does."""
    for found in _ANSWER.finditer(received):
        if found[1] >= b"500":
            head, _, body = received[found.end() :].partition(b"\r\n\r\n")
            if b"The gateway failed" in body or b"x-request-id:" not in head.lower():
                return f"{found[1].decode()} without a reason"
    return None


def pick_log_faults(text: str) -> list[str]:
    """Give what no log should have: a traceback, or the death of a worker, and what follows it."""
    return [text[max(0, m.start() - 200) : m.start() + 3000] for m in _LOG_FAULT.finditer(text)]
