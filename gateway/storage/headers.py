"""Headers: read by few rounds of requests, those that probably follow together with the next.

A wrong guess costs bytes, never a wrong one: what was read counts where the layout leads there.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.core.errors import GatewayError, UnsupportedFits
from gateway.core.guess import guess_headers
from gateway.core.inflate import MAGIC
from gateway.core.layout import LayoutScanner
from gateway.core.ranges import Block, ByteRange
from gateway.storage.store import Buffer, StoredObject, new_buffer

_OTHER_MAGIC = {b"BZh": "bzip2", b"\x1f\x9d": "compress (.Z)", b"\xfd7zXZ\0": "xz"}
_MAGIC_BYTES = max(map(len, _OTHER_MAGIC))


def is_far(stored: StoredObject) -> bool:
    """Tell whether reading a file means to wait, so that reading ahead pays."""
    return stored.info.size > 0 and not stored.read_resident(Block.run(0, 1), new_buffer(1))


async def read_headers(
    stored: StoredObject,
    scanner: LayoutScanner,
    likely: Sequence[ByteRange],
    unpack: Callable[[StoredObject], StoredObject],
    guessed_bytes: int,
) -> StoredObject:
    """Feed a scanner all headers of a file.

    Parameters
    ----------
    stored : StoredObject
        The file.
    scanner : LayoutScanner
        New.
    likely : sequence of ByteRange
        Where headers lay in a file that is probably alike.
    unpack : callable
        Opens a gzip file.
    guessed_bytes : int
        How much may be read in vain; about what a round trip costs.

    Returns
    -------
    StoredObject
        The file as its layout sees it: unpacked, if it is gzipped, whatever its name says.

    Raises
    ------
    CorruptFits, UnsupportedFits, ShortRead, SourceChanged, StorageUnavailable, StorageTimeout
    """
    seen, guesses, guessing = stored, likely, is_far(stored)
    reader = _Reader(seen, guessed_bytes)
    while (wanted := scanner.wanted) is not None:
        data, at_end = await reader.peek(wanted, guesses if guessing else ())
        if seen is stored and not wanted.start:
            _refuse_packed(bytes(data[:_MAGIC_BYTES]))
            if data[: len(MAGIC)] == MAGIC:
                seen, guessing = unpack(stored), False
                reader = _Reader(seen, guessed_bytes)
                continue
        scanner.feed(data, at_end=at_end)
        if guessing:
            guesses = guess_headers(scanner.hdus, stored.info.size)
    return seen


def _refuse_packed(beginning: bytes) -> None:
    """Refuse a file that is packed in a way from which no part can be read."""
    for magic, name in _OTHER_MAGIC.items():
        if beginning.startswith(magic):
            raise UnsupportedFits(
                f"The file is compressed by {name}; only gzip and the tile compression of FITS "
                "can be cut. Ask for the whole file, without center and size."
            )


@dataclass(slots=True)
class _Piece:
    start: int
    data: Buffer
    at_end: bool
    """Whether the file ends with it."""
    is_guess: bool = False


class _Reader:
    """Reads an object in order, with jumps that can be guessed."""

    def __init__(self, stored: StoredObject, max_in_vain: int) -> None:
        self._stored = stored
        self._max_in_vain = max_in_vain
        self._pieces: list[_Piece] = []
        self._in_vain = 0

    async def peek(
        self, wanted: ByteRange, guesses: Sequence[ByteRange]
    ) -> tuple[memoryview, bool]:
        """Give what there is from the start of a range, and whether the file ends behind it.

        Parameters
        ----------
        wanted : ByteRange
            Read as far as the object goes, unless some bytes from its start are here already.
        guesses : sequence of ByteRange
            What to read at the same time, if it comes to reading; a failure of it is silent.

        Raises
        ------
        CorruptFits, ShortRead, SourceChanged, StorageUnavailable, StorageTimeout
        """
        piece = self._find(wanted.start)
        if piece is None:
            piece = await self._read_with(wanted, guesses)
        elif piece.is_guess:
            piece.is_guess = False
            self._in_vain -= len(piece.data)
        return memoryview(piece.data)[wanted.start - piece.start :], piece.at_end

    def _find(self, offset: int) -> _Piece | None:
        for piece in self._pieces:
            if piece.start <= offset < piece.start + len(piece.data):
                return piece
        return None

    async def _read_with(self, wanted: ByteRange, guesses: Sequence[ByteRange]) -> _Piece:
        self._pieces = [p for p in self._pieces if p.start > wanted.start]
        try:
            async with asyncio.TaskGroup() as group:
                task = group.create_task(self._read(wanted))
                for guess in guesses:
                    start = max(guess.start, wanted.stop)
                    size = guess.stop - start
                    if size > 0 and self._in_vain + size <= self._max_in_vain:
                        self._in_vain += size
                        group.create_task(self._try(ByteRange(start, guess.stop)))
        except* GatewayError as errors:
            raise errors.exceptions[0] from errors.exceptions[0].__cause__
        return task.result()

    async def _read(self, wanted: ByteRange) -> _Piece:
        data = await self._stored.peek(wanted.start, wanted.stop)
        return _Piece(wanted.start, data, len(data) < wanted.size)

    async def _try(self, guess: ByteRange) -> None:
        try:
            piece = await self._read(guess)
        except GatewayError:
            return
        piece.is_guess = True
        self._pieces.append(piece)
