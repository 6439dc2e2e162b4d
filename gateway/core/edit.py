"""Edit: the header of a cutout, from the header of its parent. No I/O.

What changes is little, and the same for every cutout of an image: the axis lengths, and the
numbers that are counted in pixels from the image's corner. Where those cards stand is found once
(`HeaderTemplate`), with what lies between them; a cutout's header is that, joined.
"""

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from gateway.core.header import CARD, VALUE, Header

# CRPIXja of the primary and all alternate descriptions (FITS 4.0, 8.2); IRAF's LTVj; and CNPIXj,
# from which the plate solutions of the Digitized Sky Survey count.
_CRPIX = re.compile(rb"CRPIX([12])([A-Z ]) *")
_LTV = re.compile(rb"LTV([12])    ")
_CNPIX = re.compile(rb"CNPIX([12])  ")
# A description that has one of these and no CRPIXja refers to the default, pixel 0.
_DESCRIBED = re.compile(
    rb"(?:CTYPE|CUNIT|CRVAL|CDELT)([12])([A-Z ]) *|(?:CD|PC)([12])_([12])([A-Z ]) *"
)
_VALUE_START, _FIXED_STOP = 10, 30  # of a number in fixed format (FITS 4.0, 4.2.3), in bytes
_REST_OF_CARD = CARD - _VALUE_START
_NAXIS1, _NAXIS2 = b"NAXIS1  ", b"NAXIS2  "
_CHECKSUMS = (b"CHECKSUM", b"DATASUM ")
_MAX_DIGITS = 400  # of what is moved; no double is larger, and a Decimal's exponent may overflow
_NUMBER = re.compile(rb"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[EeDd][+-]?\d+)?)\s*(?:/|$)")


@dataclass(frozen=True, slots=True)
class _Field:
    """A number that is another in a cutout, and the rest of its card."""

    axis: int
    """0 for the first FITS axis, 1 for the second."""
    sign: int
    """-1 where the number shrinks as the corner moves away from the first pixel, 0 for NAXISj."""
    value: Decimal
    number: bytes
    """What stands there in the parent, with the blanks before it."""
    tail: bytes
    """What stands behind it."""

    def write(self, text: str) -> bytes:
        """Give another number; the comment stays where it is if the number fits."""
        return (text.encode().rjust(len(self.number)) + self.tail)[:_REST_OF_CARD]


@dataclass(frozen=True, slots=True)
class HeaderTemplate:
    """The header of an image, ready to become the header of a cutout of it.

    It has the cards that a cutout keeps: all but CHECKSUM and DATASUM.
    """

    fields: tuple[tuple[bytes, _Field], ...]
    """What changes, in order, each with what stands before it."""
    rest: bytes
    """What stands behind them."""
    end: bytes
    """END, and blanks to the end of the block."""
    missing: tuple[tuple[bytes, int], ...]
    """Keyword and axis of each CRPIXja that is absent, and so is 0."""

    @property
    def size(self) -> int:
        """Number of bytes of its cards."""
        return sum(len(before) + _REST_OF_CARD for before, _ in self.fields) + len(self.rest)

    def render(self, nx: int, ny: int, x_start: int, y_start: int) -> bytes:
        """Write the header of a cutout, padded to whole blocks.

        Parameters
        ----------
        nx, ny : int
            Columns and rows of the cutout.
        x_start, y_start : int
            Its first pixel in the parent, counted from 0.
        """
        lengths, shifts = (nx, ny), (x_start, y_start)
        parts: list[bytes] = []
        for before, field in self.fields:
            parts.append(before)
            if not field.sign:
                parts.append(field.write(str(lengths[field.axis])))
            elif shift := shifts[field.axis]:
                parts.append(field.write(_decimal_text(field.value + field.sign * shift)))
            else:
                parts += field.number, field.tail
        parts.append(self.rest)
        added = [
            _make_card(keyword, str(-shifts[axis]))
            for keyword, axis in self.missing
            if shifts[axis]
        ]
        if added:
            return Header(b"".join(parts + added)).to_bytes()
        parts.append(self.end)
        return b"".join(parts)


def make_template(header: Header) -> HeaderTemplate:
    """Find the cards of an image's header that change in a cutout.

    Parameters
    ----------
    header : Header
        Of an image with at least two axes.
    """
    cards = [card for card in header if card[:8] not in _CHECKSUMS]
    found: dict[int, _Field] = {}
    seen: set[tuple[bytes, int]] = set()  # alternate and axis
    described: set[tuple[bytes, int]] = set()
    lengths = [_NAXIS1, _NAXIS2]
    for i, card in enumerate(cards):
        keyword = card[:8]
        if card[8:10] != VALUE:
            continue
        if keyword in lengths:  # the first of two is what readers take
            lengths.remove(keyword)
            found[i] = _make_field(card, int(keyword[5:6]) - 1, 0, Decimal(0))
        elif match := _CRPIX.fullmatch(keyword):
            seen.add((match[2], int(match[1]) - 1))
        elif match := _DESCRIBED.fullmatch(keyword):
            alternate = match[2] or match[5]
            described |= {(alternate, int(each) - 1) for each in match.group(1, 3, 4) if each}
        if (field := _moving_field(card)) is not None:
            found[i] = field
    missing = tuple(
        (b"CRPIX%d%s" % (axis + 1, alternate.strip()), axis)
        for alternate, axis in sorted(described - seen)
    )
    fields, done = [], 0
    kept = b"".join(cards)
    for i, field in found.items():
        start = i * CARD + _VALUE_START
        fields.append((kept[done:start], field))
        done = start + _REST_OF_CARD
    return HeaderTemplate(tuple(fields), kept[done:], Header(kept).to_bytes()[len(kept) :], missing)


def without_data(header: Header) -> Header:
    """Make the header of a primary HDU whose image is left out: ``NAXIS = 0``."""
    dropped = re.compile(rb"NAXIS[1-9]\d*|CHECKSUM|DATASUM")
    cards = [card for card in header if not dropped.fullmatch(card[:8].rstrip())]
    cards = [_make_card(b"NAXIS", "0") if card[:8] == b"NAXIS   " else card for card in cards]
    return Header(b"".join(cards))


def move_reference(header: Header, x_shift: Decimal, y_shift: Decimal) -> Header:
    """Add to CRPIX1 and CRPIX2 of a lookup table that a cutout's distortion refers to.

    Notes
    -----
    A table's CRVALj are pixels of the parent image. Moving its CRPIXj by the section's corner in
    table steps leaves every pixel its correction, and the table its values.
    """
    shifts = [x_shift, y_shift]
    missing = {b"CRPIX1  ": 0, b"CRPIX2  ": 1}
    cards = [card for card in header if card[:8] not in _CHECKSUMS]
    for i, card in enumerate(cards):
        axis = missing.get(card[:8])
        if axis is not None and (value := _decimal(card)) is not None:
            field = _make_field(card, axis, 1, value)
            number = field.write(_decimal_text(value + shifts[axis]))
            cards[i] = card[:8] + VALUE + number
            del missing[card[:8]]
    cards += [_make_card(keyword, _decimal_text(shifts[axis])) for keyword, axis in missing.items()]
    return Header(b"".join(cards))


def _moving_field(card: bytes) -> _Field | None:
    for pattern, sign in ((_CRPIX, -1), (_LTV, -1), (_CNPIX, +1)):
        match = pattern.fullmatch(card[:8])
        if match:
            value = _decimal(card)
            return None if value is None else _make_field(card, int(match[1]) - 1, sign, value)
    return None


def _make_field(card: bytes, axis: int, sign: int, value: Decimal) -> _Field:
    match = _NUMBER.match(card, _VALUE_START)
    slash = card.find(b"/", _VALUE_START)
    stop = match.end(1) if match else slash if 0 <= slash < _FIXED_STOP else _FIXED_STOP
    return _Field(axis, sign, value, card[_VALUE_START:stop], card[stop:])


def _make_card(keyword: bytes, number: str) -> bytes:
    """Write a card in fixed format (FITS 4.0, 4.2)."""
    return (keyword.ljust(8) + VALUE + number.rjust(20).encode()).ljust(CARD)


def _decimal(card: bytes) -> Decimal | None:
    """Read a number with all its digits: a shift by whole pixels must not lose the last."""
    match = _NUMBER.match(card, _VALUE_START)
    if match is None:  # undefined is the default, 0; what is no number cannot move
        return None if card[_VALUE_START:].partition(b"/")[0].strip() else Decimal(0)
    try:
        value = Decimal(match[1].decode().upper().replace("D", "E"))
    except InvalidOperation:
        return None
    return value if value.adjusted() < _MAX_DIGITS else None


def _decimal_text(value: Decimal) -> str:
    text = str(value)
    return text if "." in text or "E" not in text else text.replace("E", ".0E", 1)
