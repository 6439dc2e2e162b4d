"""Edit: the header of a cutout, from the header of its parent. No I/O.

What changes is little, and the same for every cutout of an image: the axis lengths, and the
numbers that are counted in pixels from the image's corner. Where those cards stand is found once
(`HeaderTemplate`); a cutout's header is then a copy with some cards replaced.
"""

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from gateway.core.header import CARD, Header, parse_value

# CRPIXja of the primary and all alternate descriptions (FITS 4.0, 8.2), and IRAF's LTVj.
_CRPIX = re.compile(rb"CRPIX([12])([A-Z ]) *")
_LTV = re.compile(rb"LTV([12])    ")
_CNPIX = re.compile(rb"CNPIX([12])  ")
# A description that has one of these and no CRPIXja refers to the default, pixel 0.
_DESCRIBED = re.compile(rb"(?:CTYPE|CRVAL|CDELT)([12])([A-Z ]) *|CD([12])_[12]([A-Z ]) *")
_CHECKSUMS = (b"CHECKSUM", b"DATASUM ")
_NUMBER = re.compile(rb"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[EeDd][+-]?\d+)?)\s*(?:/|$)")


@dataclass(frozen=True, slots=True)
class _Moving:
    """A card whose number moves with the corner of the section."""

    offset: int
    """Of the card in the template, in bytes."""
    axis: int
    """0 for the first FITS axis, 1 for the second."""
    sign: int
    """-1 where the number shrinks as the corner moves away from the first pixel."""
    value: Decimal


@dataclass(frozen=True, slots=True)
class HeaderTemplate:
    """The header of an image, ready to become the header of a cutout of it."""

    cards: bytes
    """Without those that a cutout does not keep: CHECKSUM and DATASUM."""
    naxis: tuple[int, int]
    """Offsets of NAXIS1 and NAXIS2, in bytes."""
    moving: tuple[_Moving, ...]
    missing: tuple[tuple[bytes, int], ...]
    """Keyword and axis of each CRPIXja that is absent, and so is 0."""

    def render(self, nx: int, ny: int, x_start: int, y_start: int) -> bytes:
        """Write the header of a cutout, padded to whole blocks.

        Parameters
        ----------
        nx, ny : int
            Columns and rows of the cutout.
        x_start, y_start : int
            Its first pixel in the parent, counted from 0.
        """
        cards = bytearray(self.cards)
        for offset, n in zip(self.naxis, (nx, ny), strict=True):
            cards[offset : offset + CARD] = _with_value(cards[offset : offset + CARD], str(n))
        shift = (x_start, y_start)
        for card in self.moving:
            if shift[card.axis]:
                text = _decimal_text(card.value + card.sign * shift[card.axis])
                where = slice(card.offset, card.offset + CARD)
                cards[where] = _with_value(cards[where], text)
        for keyword, axis in self.missing:
            if shift[axis]:
                value = b"%20d" % -shift[axis]
                cards += (keyword.ljust(8) + b"= " + value).ljust(CARD)
        return Header(bytes(cards)).to_bytes()


def make_template(header: Header, *, plate_only: bool) -> HeaderTemplate:
    """Find the cards of an image's header that change in a cutout.

    Parameters
    ----------
    header : Header
        Of an image with at least two axes.
    plate_only : bool
        Whether the image's only description of the sky is a plate solution of the Digitized Sky
        Survey. It counts pixels from CNPIX1, CNPIX2, which then move in place of CRPIXj.
    """
    cards = [card for card in header if card[:8] not in _CHECKSUMS]
    naxis = [0, 0]
    moving: list[_Moving] = []
    present: set[tuple[bytes, int]] = set()
    described: set[tuple[bytes, int]] = set()
    for i, card in enumerate(cards):
        keyword = card[:8]
        if keyword in {b"NAXIS1  ", b"NAXIS2  "}:
            naxis[int(keyword[5:6]) - 1] = i * CARD
        if match := _CRPIX.fullmatch(keyword):
            present.add((match[2], int(match[1]) - 1))
        if match := _DESCRIBED.fullmatch(keyword):
            described.add((match[2] or match[4], int(match[1] or match[3]) - 1))
        if (card_moves := _moving(card, i * CARD, plate_only=plate_only)) is not None:
            moving.append(card_moves)
    missing = tuple(
        (b"CRPIX%d%s" % (axis + 1, alternate.strip()), axis)
        for alternate, axis in sorted(described - present)
    )
    return HeaderTemplate(b"".join(cards), (naxis[0], naxis[1]), tuple(moving), missing)


def without_data(header: Header) -> Header:
    """Make the header of a primary HDU whose image is left out: ``NAXIS = 0``."""
    dropped = re.compile(rb"NAXIS[1-9]\d*|CHECKSUM|DATASUM")
    cards = [card for card in header if not dropped.fullmatch(card[:8].rstrip())]
    cards = [_with_value(card, "0") if card[:8] == b"NAXIS   " else card for card in cards]
    return Header(b"".join(cards))


def move_reference(header: Header, x_shift: Decimal, y_shift: Decimal) -> Header:
    """Add to CRPIX1 and CRPIX2 of a lookup table that a cutout's distortion refers to.

    Notes
    -----
    A table's CRVALj are pixels of the parent image. Moving its CRPIXj by the section's corner in
    table steps leaves every pixel its correction, and the table its values.
    """
    template = make_template(header, plate_only=False)
    cards = bytearray(template.cards)
    for card in template.moving:
        if card.sign < 0:
            text = _decimal_text(card.value + (x_shift, y_shift)[card.axis])
            where = slice(card.offset, card.offset + CARD)
            cards[where] = _with_value(cards[where], text)
    for keyword, axis in template.missing:
        text = _decimal_text((x_shift, y_shift)[axis])
        cards += (keyword.ljust(8) + b"= " + text.rjust(20).encode()).ljust(CARD)
    return Header(bytes(cards))


def _moving(card: bytes, offset: int, *, plate_only: bool) -> _Moving | None:
    for pattern, sign in ((_CRPIX, -1), (_LTV, -1), (_CNPIX, +1)):
        match = pattern.fullmatch(card[:8])
        if match and card[8:9] == b"=" and (plate_only or pattern is not _CNPIX):
            value = _decimal(card)
            return None if value is None else _Moving(offset, int(match[1]) - 1, sign, value)
    return None


def _decimal(card: bytes) -> Decimal | None:
    """Read a number with all its digits: a shift by whole pixels must not lose the last."""
    match = _NUMBER.match(card, 10)
    if match is None:  # undefined is the default, 0; text cannot move
        return Decimal(0) if parse_value(card) is None else None
    try:
        return Decimal(match[1].decode().upper().replace("D", "E"))
    except InvalidOperation:
        return None


def _decimal_text(value: Decimal) -> str:
    text = str(value)
    return text if "." in text or "E" not in text else text.replace("E", ".0E", 1)


def _with_value(card: bytes | bytearray, text: str) -> bytes:
    """Replace the number of a card; the comment stays where it is if the number fits."""
    match = _NUMBER.match(card, 10)
    stop = match.end(1) if match else 30
    value = text.encode().rjust(stop - 10)
    return (bytes(card[:8]) + b"= " + value + bytes(card[stop:])).ljust(CARD)[:CARD]
