"""Inflating: whole files of any members, damage, limits, and streams from the middle."""

import gzip
import os
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import CorruptFits
from gateway.core.inflate import (
    WINDOW,
    blank_unused,
    has_end,
    inflate_from,
    inflate_whole,
)

PLENTY = 2**30
NOISE = os.urandom(3 * 2**18)  # more than is given at a time
CONTENT = NOISE + bytes(2**19) + NOISE[::-1]
EMPTY = gzip.compress(b"")
PACKED = gzip.compress(CONTENT, 1)


@pytest.mark.parametrize(
    "packed",
    [
        pytest.param(PACKED, id="one member"),
        pytest.param(gzip.compress(CONTENT[:5000]) + gzip.compress(CONTENT[5000:]), id="two"),
        pytest.param(
            gzip.compress(b"") + gzip.compress(CONTENT, 0) + gzip.compress(b""), id="empty"
        ),
        pytest.param(PACKED + bytes(9999), id="zeros behind"),
        pytest.param(PACKED + b"\x1f", id="a byte behind"),
        pytest.param(PACKED + b"garbage" * 99999, id="garbage behind"),
    ],
)
def test_members_are_joined_and_garbage_is_left_out(packed: bytes):
    """A file of any members gives their bytes; what follows the last is not part of it."""
    assert inflate_whole(packed, PLENTY) == CONTENT


@given(sizes=st.lists(st.integers(0, 400_000), min_size=1, max_size=6))
def test_a_member_may_end_anywhere(sizes: list[int]):
    """No byte is lost where members end within, at or behind the end of a piece."""
    parts = [CONTENT[:size] for size in sizes]

    assert inflate_whole(b"".join(gzip.compress(p, 0) for p in parts), PLENTY) == b"".join(parts)


@pytest.mark.parametrize("kept", [2, 11, 1000, 2**18, -9, -1])
def test_a_file_that_is_cut_off_is_damaged(kept: int):
    """A file that ends within its data or its checksum is an error, not a shorter file."""
    with pytest.raises(CorruptFits, match="cut off"):
        inflate_whole(PACKED[:kept], PLENTY)


@pytest.mark.parametrize("first", [b"", PACKED])
@pytest.mark.parametrize("offset", [-1, -5, 5000, 2])
def test_a_flipped_byte_is_noticed(first: bytes, offset: int):
    """A damaged length, checksum, body or head is an error, of the second member too."""
    packed = bytearray(PACKED)
    packed[offset] ^= 0xFF

    with pytest.raises(CorruptFits):
        inflate_whole(first + bytes(packed), PLENTY)


@pytest.mark.parametrize("n_members", [1, 3])
def test_more_than_the_limit_is_not_inflated(n_members: int):
    """What is larger gives nothing, and takes no more memory than what is allowed."""
    limit = n_members * len(CONTENT)
    packed = PACKED * n_members
    bomb = gzip.compress(bytes(50 * 2**20), 9)
    tracemalloc.start()
    try:
        assert inflate_whole(bomb, 2**20) is None
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert inflate_whole(packed, limit) == CONTENT * n_members
    assert inflate_whole(packed, limit - 1) is None
    assert peak < 4 * 2**20


def inflate(packed: bytes, bit: int, window: bytes, n_bytes: int) -> bytes:
    """Inflate from the middle, and join the pieces."""
    return b"".join(inflate_from(packed, bit, window, n_bytes))


def blocks(n: int = 3) -> tuple[bytes, list[tuple[int, int]], bytes]:
    """Give a bare stream of deflate, where blocks begin (unpacked, packed), and its content."""
    content = np.random.default_rng(5).normal(100, 3, 60_000).astype(">f4").tobytes()
    size = len(content) // n
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    stream, starts = b"", []
    for start in range(0, len(content), size):
        starts.append((start, len(stream)))
        stream += packer.compress(content[start : start + size])
        stream += packer.flush(zlib.Z_SYNC_FLUSH)
    return stream + packer.flush(), starts, content


def block_of_literals(values: bytes) -> str:
    """Write a block of the bytes from 144 to 255, of 9 bits each (RFC 1951, 3.2.6), bit by bit."""
    return "010" + "".join(f"{value + 0b110010000 - 144:09b}" for value in values) + "0000000"


@pytest.mark.parametrize("n_literals", range(8))
@pytest.mark.parametrize("form", ["stored", "literals"])
def test_a_block_may_begin_at_any_bit(n_literals: int, form: str):
    """A block is inflated from any bit of a byte; stored bytes behind it begin with a byte."""
    before = os.urandom(WINDOW - n_literals) + bytes(range(200, 200 + n_literals))
    bits = block_of_literals(before[WINDOW - n_literals :])
    position, literals = len(bits), b""
    if form == "literals":
        literals = bytes([250, 240, 230])
        bits += block_of_literals(literals)
    bits += "000"  # a stored block
    packed = int(bits[::-1], 2).to_bytes(-(-len(bits) // 8), "little")
    packed += b"\3\0\xfc\xffabc"
    behind = before[9000:20_000] + NOISE[:9000]
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=(before + literals + b"abc")[-WINDOW:])
    packed += packer.compress(behind) + packer.flush()
    content = literals + b"abc" + behind
    rest, bit = packed[position // 8 :], position % 8

    assert inflate(rest, bit, before, len(content)) == content
    assert has_end(rest, bit, before, len(content))
    assert not has_end(rest, bit, before, len(content) - 1)
    assert inflate(rest, bit, blank_unused(rest, bit, before), len(content)) == content


def test_what_is_missing_is_not_made_up():
    """Fewer bytes than asked for, or bytes that are no stream, are an error."""
    stream, _, content = blocks()

    for packed, n_bytes in ((stream[:5000], 30_000), (stream, len(content) + 1)):
        with pytest.raises(CorruptFits, match="cut off"):
            inflate(packed, 0, b"", n_bytes)
    with pytest.raises(CorruptFits, match="damaged"):
        inflate(b"\xff" * 1000, 0, b"", 1)
    with pytest.raises(CorruptFits):
        inflate(b"", 0, b"", 1)


def test_a_block_that_unpacks_to_much_comes_in_pieces():
    """However far a block goes, little of it is in memory at a time."""
    content = bytes(2**26) + NOISE
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(content) + packer.flush()
    pieces = list(inflate_from(packed, 0, b"", len(content)))

    assert b"".join(pieces) == content
    assert max(len(piece) for piece in pieces) == 4 * 2**20


def test_only_what_is_used_of_a_window_is_kept():
    """With the blanked window the stream gives the same bytes; most of it is blank."""
    stream, starts, content = blocks()
    start, position = starts[1]
    window = content[start - WINDOW : start]
    blanked = blank_unused(stream[position:], 0, window)
    n_bytes = len(content) - start

    assert inflate(stream[position:], 0, blanked, n_bytes) == content[start:]
    assert 0 < np.count_nonzero(np.frombuffer(blanked, np.uint8)) < WINDOW / 8


def test_a_window_that_is_used_whole_is_kept_whole():
    """A stream that repeats its window needs every byte of it (zlib refers not quite so far)."""
    window = os.urandom(WINDOW)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=window)
    stream = packer.compress(window[300:]) + packer.flush()

    assert blank_unused(stream, 0, window) == bytes(300) + window[300:]
