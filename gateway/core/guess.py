"""Guesses: where the next headers of a file probably lie. No I/O.

A round trip to a remote storage costs as much as a megabyte: the headers that may follow are read
together with the one that must. A guess is never believed, only read: what is found there counts
if the layout leads there.
"""

from collections.abc import Iterable, Sequence
from itertools import cycle, islice, takewhile

from gateway.core.header import BLOCK, pad_to_block
from gateway.core.layout import FitsLayout, Hdu
from gateway.core.ranges import ByteRange

_ALIKE = 3  # how many images like the last one are looked for behind the next header
_LONGER = 2 * BLOCK  # how much longer than the last one their headers may be
_MAX_PERIOD = 8  # HDUs after which a file may repeat itself: science, error, mask, science, …
_TAIL_BYTES = 32 * 1024  # small tables often end a file
_MAX_GUESSES = 64
_LOOKED_AT = _MAX_GUESSES // 2 + _MAX_PERIOD  # of the last HDUs: more would not change a guess
_MAX_GAP = 64 * 1024  # bytes between two guesses that are read by one request
_MAX_READ = 256 * 1024  # bytes of such a request


def guess_headers(hdus: Sequence[Hdu], size: int) -> list[ByteRange]:
    """Say where headers may lie behind the next one.

    Parameters
    ----------
    hdus : sequence of Hdu
        What was found so far, from the first.
    size : int
        Length of the file.

    Returns
    -------
    list of ByteRange
        In order, apart from each other, within the file.
    """
    if not hdus:
        return []
    latest = hdus[-_LOOKED_AT:]
    start = latest[-1].header_range.start + _extent(latest[-1])
    return merge(_repeat(latest, start) or _continue(latest[-1], start, size), size)


def headers_of(layout: FitsLayout, size: int) -> list[ByteRange]:
    """Say where headers lie in a file that has this layout."""
    return merge([hdu.header_range for hdu in layout.hdus[1:]], size)[:_MAX_GUESSES]


def merge(ranges: Iterable[ByteRange], size: int) -> list[ByteRange]:
    """Order ranges, join neighbours, and leave out what lies behind the end of the file."""
    merged: list[ByteRange] = []
    for each in sorted(ranges, key=lambda r: r.start):
        start, stop = each.start, min(each.stop, size)
        if merged:
            last = merged[-1]
            if start - last.stop <= _MAX_GAP and stop - last.start <= _MAX_READ:
                start, stop = last.start, max(last.stop, stop)
                merged.pop()
            start = max(start, merged[-1].stop if merged else 0)
        if start < stop:
            merged.append(ByteRange(start, stop))
    return merged


def _repeat(hdus: Sequence[Hdu], start: int) -> list[ByteRange]:
    """Go on with a series of HDUs that has repeated itself: twice as far as it did so far."""
    extents = [_extent(hdu) for hdu in hdus]
    for period in range(1, min(_MAX_PERIOD, len(hdus) // 2) + 1):
        pairs = zip(reversed(extents), reversed(extents[:-period]), strict=False)
        run = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        if run >= period:
            following = islice(cycle(hdus[-period:]), min(2 * run, _MAX_GUESSES) + 1)
            guesses = []
            for hdu in following:
                guesses.append(ByteRange(start, start + hdu.header_range.size))
                start += _extent(hdu)
            return guesses[1:]
    return []


def _continue(last: Hdu, start: int, size: int) -> list[ByteRange]:
    """Look at the end of the file, and for images of one size, whatever their headers' lengths."""
    guesses = [ByteRange(max(size - _TAIL_BYTES, start), size)]
    if last.is_image:
        data, longest = pad_to_block(last.data_range.size), last.header_range.size + _LONGER
        for n in range(1, _ALIKE + 1):
            first = start + n * (data + BLOCK)
            guesses.append(ByteRange(first, start + n * (data + longest) + longest))
    return guesses


def _extent(hdu: Hdu) -> int:
    return hdu.header_range.size + pad_to_block(hdu.data_range.size)
