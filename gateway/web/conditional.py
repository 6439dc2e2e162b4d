"""RFC 9110's preconditions and byte ranges, from header texts to decisions. No I/O."""

import re
from calendar import timegm
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from enum import Enum, auto
from functools import lru_cache
from hashlib import blake2b
from math import floor
from time import strptime, time
from typing import NamedTuple

from multidict import MultiMapping

from gateway.core.ranges import ByteRange

_ENTITY_TAG = re.compile(r'(W/)?("[^"]*")')
_RANGE_SPEC = re.compile(r"([0-9]+)-([0-9]*)|-([0-9]+)")
_DATE_FORMS = (  # for strptime, whose names are English as long as no locale is set
    "%a, %d %b %Y %H:%M:%S GMT",  # IMF-fixdate, the one that is written today
    "%A, %d-%b-%y %H:%M:%S GMT",  # RFC 850
    "%a %b %d %H:%M:%S %Y",  # asctime
)


class Validators(NamedTuple):
    """What tells one version of an answer from another."""

    etag: str
    """A strong entity-tag, with its quotes."""
    modified: float | None
    """Time of the last change, in seconds since 1970 (UTC), if known; its fraction is ignored."""


class Verdict(Enum):
    """What the preconditions of a request lead to."""

    PROCEED = auto()
    """Answer as if there were none."""
    NOT_MODIFIED = auto()
    """The client has this version already: 304."""
    PRECONDITION_FAILED = auto()
    """The client insists on another version: 412."""


class PreconditionFailed(Exception):
    """The client asked for another version than there is (RFC 9110, 15.5.13)."""


class RangeNotSatisfiable(Exception):
    """A well-formed Range selects no byte of the answer.

    Parameters
    ----------
    size : int
        Length of the whole answer, in bytes: what a 416 tells in its Content-Range.
    """

    def __init__(self, size: int) -> None:
        super().__init__(
            f"The requested range selects none of the {size} bytes of this answer: "
            "ask for positions within it, or leave out the Range header."
        )
        self.size = size


def evaluate(headers: MultiMapping[str], validators: Validators) -> Verdict:
    """Judge the preconditions of a GET or HEAD whose answer would be a success.

    Parameters
    ----------
    headers : MultiMapping
        The request's, looked up without regard to case.
    validators : Validators
        Of the present version.

    Notes
    -----
    The order is that of RFC 9110, 13.2.2. A date that cannot be read, or has nothing to be
    compared with, is as good as absent; a list of tags that cannot be read matches nothing.
    """
    if tags := headers.getall("If-Match", ()):
        if not _lists(tags, validators.etag, weak=False):
            return Verdict.PRECONDITION_FAILED
    elif (date := headers.get("If-Unmodified-Since")) is not None and _unchanged_since(
        date, validators
    ) is False:
        return Verdict.PRECONDITION_FAILED
    if tags := headers.getall("If-None-Match", ()):
        if _lists(tags, validators.etag, weak=True):
            return Verdict.NOT_MODIFIED
    elif (date := headers.get("If-Modified-Since")) is not None and _unchanged_since(
        date, validators
    ) is True:
        return Verdict.NOT_MODIFIED
    return Verdict.PROCEED


def _lists(lines: Iterable[str], etag: str, *, weak: bool) -> bool:
    """Say whether the lines of a list of entity-tags have a strong one, compared so or weakly."""
    tags = ",".join(lines)  # RFC 9110, 5.3
    if tags.strip() == "*":
        return True
    return any(opaque == etag and (weak or not mark) for mark, opaque in _ENTITY_TAG.findall(tags))


def _unchanged_since(text: str, validators: Validators) -> bool | None:
    """Say whether the last change was no later than a date; None if that cannot be said."""
    if validators.modified is None:
        return None
    date = _parse_date(text)
    return None if date is None else floor(validators.modified) <= date


def _parse_date(text: str) -> int | None:
    """Parse an HTTP-date to seconds since 1970 (UTC); None if it is none.

    Years of two digits are 1969 to 2068, without the clock that RFC 9110, 5.6.7 would ask.
    """
    for form in _DATE_FORMS:
        with suppress(ValueError):
            return timegm(strptime(text, form))
    return None


@lru_cache(maxsize=1024)
def http_date(seconds: float) -> str:
    """Write a time, in seconds since 1970 (UTC), as an HTTP-date; its fraction is dropped."""
    return formatdate(floor(seconds), usegmt=True)


def http_date_now() -> str:
    """Write the present time as an HTTP-date."""
    return http_date(floor(time()))


def selects_range(headers: Mapping[str, str], validators: Validators) -> bool:
    """Say whether If-Range, if it is there, lets the request's Range count.

    Notes
    -----
    RFC 9110, 13.1.5: tags are compared strongly, so a weak one never matches, and a date must
    be that of Last-Modified, not a later one.
    """
    text = headers.get("If-Range")
    if text is None or text == validators.etag:
        return True
    return validators.modified is not None and _parse_date(text) == floor(validators.modified)


def parse_range(header: str, size: int, *, max_ranges: int) -> list[ByteRange] | None:
    """Parse the Range header of a GET.

    Parameters
    ----------
    header : str
        Its value.
    size : int
        Length of the whole answer, in bytes.
    max_ranges : int
        The most ranges that are honoured in one request.

    Returns
    -------
    list of ByteRange, or None
        Never empty: ranges that neither overlap nor touch, in the order asked. None if the
        header is to be ignored: malformed, of another unit, or of too many ranges.

    Raises
    ------
    RangeNotSatisfiable
        All ranges lie beyond the end.

    Notes
    -----
    RFC 9110, 14.1.1 and 14.2. No byte is given twice, for many overlapping ranges would make a
    small request cost many times the file (CVE-2011-3192); n ranges are merged in n log n
    steps, for n squared has been an attack too (CVE-2025-62727).
    """
    unit, _, range_set = header.partition("=")
    specs = [spec for element in range_set.split(",") if (spec := element.strip(" \t"))]
    if unit.lower() != "bytes" or not 0 < len(specs) <= max_ranges:
        return None
    ranges = []
    for spec in specs:
        selected = _parse_range_spec(spec, size)
        if selected is None:
            return None
        if selected.start < selected.stop:
            ranges.append(selected)
    if not ranges:
        raise RangeNotSatisfiable(size)
    return _coalesce(ranges)


def _parse_range_spec(spec: str, size: int) -> ByteRange | None:
    """Parse one range, clipped to the size; `start >= stop` if it has no byte, None if invalid."""
    match = _RANGE_SPEC.fullmatch(spec)
    if match is None:
        return None
    first, last, suffix = match.groups()
    if suffix:
        return ByteRange(max(0, size - _parse_position(suffix)), size)
    start = _parse_position(first)
    if not last:
        return ByteRange(start, size)
    stop = _parse_position(last) + 1
    return ByteRange(start, min(stop, size)) if start < stop else None


def _parse_position(digits: str) -> int:
    """Read a number of bytes, of any length.

    Twenty digits are past the end of every file, and int() refuses texts of thousands.
    """
    return int(digits.lstrip("0")[:20] or 0)


def _coalesce(ranges: Sequence[ByteRange]) -> list[ByteRange]:
    """Merge what overlaps or touches; a merged range takes the place of its first member.

    RFC 9110, 15.3.7.2: the parts should come in the order asked.
    """
    merged: list[tuple[int, ByteRange]] = []
    for place, part in sorted(enumerate(ranges), key=lambda item: item[1].start):
        if merged and part.start <= merged[-1][1].stop:
            first_place, before = merged[-1]
            whole = ByteRange(before.start, max(before.stop, part.stop))
            merged[-1] = min(first_place, place), whole
        else:
            merged.append((place, part))
    return [part for _, part in sorted(merged, key=lambda item: item[0])]


def content_range(part: ByteRange | None, size: int) -> str:
    """Write a Content-Range: of a part of an answer of `size` bytes, or (None) of a 416."""
    return f"bytes */{size}" if part is None else f"bytes {part.start}-{part.stop - 1}/{size}"


@dataclass(frozen=True, slots=True)
class Multipart:
    """The body of an answer to several ranges, but for the bytes of the ranges."""

    content_type: str
    """Of the whole: multipart/byteranges, with its boundary."""
    parts: tuple[tuple[bytes, ByteRange], ...]
    """What is sent before each range, and the range."""
    closing: bytes
    """What is sent after the last."""

    @property
    def size(self) -> int:
        """Length of the whole body, in bytes."""
        return sum(len(prefix) + part.size for prefix, part in self.parts) + len(self.closing)


def plan_multipart(
    ranges: Sequence[ByteRange], *, content_type: str, size: int, etag: str
) -> Multipart:
    """Plan the body of a 206 that answers several ranges.

    Parameters
    ----------
    ranges : sequence of ByteRange
        From `parse_range`.
    content_type, size, etag
        Of the whole answer that the ranges are taken from. The boundary is a digest of the tag,
        so that equal requests have equal answers.

    Notes
    -----
    RFC 9110, 14.6; RFC 2046, 5.1.1: the line break before a boundary belongs to the boundary.
    """
    boundary = blake2b(etag.encode(), digest_size=16).hexdigest()
    parts = []
    line_break = ""
    for part in ranges:
        prefix = (
            f"{line_break}--{boundary}\r\n"
            f"Content-Type: {content_type}\r\n"
            f"Content-Range: {content_range(part, size)}\r\n\r\n"
        )
        parts.append((prefix.encode(), part))
        line_break = "\r\n"
    return Multipart(
        content_type=f"multipart/byteranges; boundary={boundary}",
        parts=tuple(parts),
        closing=f"\r\n--{boundary}--\r\n".encode(),
    )
