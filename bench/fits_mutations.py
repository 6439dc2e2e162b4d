"""FITS mutations: files that are nearly right."""

import gzip
import struct
from collections.abc import Sequence
from random import Random

from bench.mutations import Way, change, cut_off, flip, flip_any

_BLOCK, _CARD = 2880, 80
_MOST_BYTES = 400_000


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_NUMBERS = _words("""
    0 1 2 3 7 8 16 -1 -8 -32 -64 -2147483648 255 256 2147483647 2147483648 4294967296
    9223372036854775807 9223372036854775808 999999999999999999 1E308 1E999 -1E300 1E-300 NaN inf
    1.5 0.0 -0.0 1D5 T F '' 'x' (1,2) ' 0x10
""")
_ODD_NUMBERS = ("", "1 2", "9" * 68, "1" + "0" * 30)
_TEXTS = _words("""
    RA---TAN DEC--TAN RA---TPV DEC--TPV RA---TNX RA---ZPN GLON-CAR GLAT-CAR RA---TAN-SIP
    DEC--TAN-SIP RA---ZZZ WAVE LOOKUP FK4 FK5 ICRS arcsec IMAGE BINTABLE TABLE A3DTABLE RICE_1
    GZIP_1 GZIP_2 HCOMPRESS_1 PLIO_1 NOCOMPRESS 1PB(99) 1QB 1PI 1PE(0) 9999999999J 0J NO_DITHER
    SUBTRACTIVE_DITHER_1 SUBTRACTIVE_DITHER_2 SMOOTH BYTEPIX BLOCKSIZE COMPRESSED_DATA
    GZIP_COMPRESSED_DATA ZSCALE ZZERO ZBLANK & 1990-13-45
""")
_ODD_TEXTS = ("EXTVER: 1", "")
_KEYWORDS = _words("""
    SIMPLE XTENSION BITPIX NAXIS NAXIS1 NAXIS2 NAXIS3 NAXIS999 PCOUNT GCOUNT GROUPS EXTEND
    TFIELDS THEAP TFORM1 TFORM2 TTYPE1 TTYPE2 ZIMAGE ZCMPTYPE ZBITPIX ZNAXIS ZNAXIS1 ZNAXIS2
    ZTILE1 ZTILE2 ZTILE3 ZNAME1 ZVAL1 ZNAME2 ZVAL2 ZQUANTIZ ZDITHER0 ZBLANK ZSCALE ZZERO ZSIMPLE
    ZTENSION ZPCOUNT ZGCOUNT CTYPE1 CTYPE2 CRPIX1 CRPIX2 CRVAL1 CRVAL2 CDELT1 CDELT2 CD1_1 CD1_2
    CD2_1 CD2_2 PC1_1 PC2_1 CROTA2 CUNIT1 CUNIT2 EQUINOX RADESYS LONPOLE LATPOLE WCSAXES PV1_1
    PV2_1 PV2_999 A_ORDER B_ORDER A_2_0 B_0_2 AP_ORDER WAT1_001 CPDIS1 DP1 D2IMDIS1 PS1_0
    CTYPE1A CRPIX1A LTV1 LTV2 BSCALE BZERO BLANK EXTNAME EXTVER EXTLEVEL INHERIT CONTINUE
    HIERARCH COMMENT END CHECKSUM VELREF
""")
_WHOLE = (0, 1, 2, 7, 255, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)


def mutate_fits(random: Random, pool: Sequence[bytes]) -> bytes:
    """Change a file of a pool, in one to six ways; sometimes pack it, and change it once more."""
    content = bytearray(random.choice(pool))
    if content[:2] == b"\x1f\x8b" and random.random() < 0.5:
        flip_any(random, content)
    if random.random() < 0.25:
        _splice(random, content, random.choice(pool))
    else:
        change(random, content, _WAYS)
    del content[_MOST_BYTES:]
    if random.random() < 0.15:
        content = bytearray(gzip.compress(content, 1, mtime=0))
        if random.random() < 0.5:
            random.choice((flip_any, cut_off, _repeat, _write_number))(random, content)
    return bytes(content)


def _header_spans(content: bytearray) -> list[tuple[int, int]]:
    """Find the headers, by their first cards and END."""
    spans, at = [], 0
    while at < len(content) and len(spans) < 50:
        if content.startswith((b"SIMPLE", b"XTENSION"), at):
            stop = at
            while stop < len(content) and content[stop : stop + 8].rstrip() != b"END":
                stop += _CARD
            spans.append((at, stop))
            at = stop + _CARD
        at = -(-at // _BLOCK) * _BLOCK if at % _BLOCK else at + _BLOCK
    return spans or [(0, min(len(content), _BLOCK))]


def _any_card(random: Random, content: bytearray) -> int:
    """Choose a card; those that say where everything lies come first, and more often."""
    start, stop = random.choice(_header_spans(content))
    n = max(1, (stop - start) // _CARD)
    return start + _CARD * random.randrange(min(n, 12) if random.random() < 0.5 else n)


def _field(random: Random) -> bytes:
    if random.random() < 0.65:
        return f"{random.choice((*_NUMBERS, *_ODD_NUMBERS)):>20}".encode()
    return f"'{random.choice((*_TEXTS, *_ODD_TEXTS)):8}'".encode()


def _card(keyword: bytes, field: bytes) -> bytes:
    return (keyword.ljust(8)[:8] + b"= " + field).ljust(_CARD)[:_CARD]


def _set_value(random: Random, content: bytearray) -> None:
    at = _any_card(random, content)
    content[at : at + _CARD] = _card(bytes(content[at : at + 8]), _field(random))


def _nudge_value(random: Random, content: bytearray) -> None:
    """Change a whole number by a little, or by a factor."""
    at = _any_card(random, content)
    text = content[at + 10 : at + 30].strip()
    if text.lstrip(b"-").isdigit():
        value = int(text)
        near = random.choice((value + 1, value - 1, -value, value * 2, value // 2, value * 2880))
        content[at : at + _CARD] = _card(bytes(content[at : at + 8]), b"%20d" % near)


def _set_keyword(random: Random, content: bytearray) -> None:
    at = _any_card(random, content)
    content[at : at + 8] = random.choice(_KEYWORDS).encode().ljust(8)


def _insert_card(random: Random, content: bytearray) -> None:
    """Add a card, and take a blank one behind END away if there is one."""
    start, stop = random.choice(_header_spans(content))
    at = start + _CARD * random.randint(0, (stop - start) // _CARD)
    content[at:at] = _card(random.choice(_KEYWORDS).encode(), _field(random))
    blank = content.find(b" " * _CARD, stop + 2 * _CARD, -(-(stop + 2 * _CARD) // _BLOCK) * _BLOCK)
    if blank >= 0:
        del content[blank : blank + _CARD]


def _delete_card(random: Random, content: bytearray) -> None:
    start, stop = random.choice(_header_spans(content))
    at = start + _CARD * random.randint(0, (stop - start) // _CARD)
    content[stop + _CARD : stop + _CARD] = b" " * _CARD
    del content[at : at + _CARD]


def _swap_cards(random: Random, content: bytearray) -> None:
    a, b = _any_card(random, content), _any_card(random, content)
    if a != b and max(a, b) + _CARD <= len(content):
        one, other = content[a : a + _CARD], content[b : b + _CARD]
        content[a : a + _CARD], content[b : b + _CARD] = other, one


def _flip_header(random: Random, content: bytearray) -> None:
    start, stop = random.choice(_header_spans(content))
    flip(random, content, start, min(stop, len(content)))


def _flip_data(random: Random, content: bytearray) -> None:
    """Change what follows a header: descriptors, pixels, the heap."""
    _, stop = random.choice(_header_spans(content))
    start = -(-stop // _BLOCK) * _BLOCK
    flip(random, content, start, min(start + random.choice((16, 64, 4096)), len(content)))


def _write_number(random: Random, content: bytearray) -> None:
    """Write a whole number that is on the edge of something where a descriptor may be."""
    _, stop = random.choice(_header_spans(content))
    at = -(-stop // _BLOCK) * _BLOCK + 4 * random.randrange(32)
    packed = struct.pack(">Q", random.choice(_WHOLE))[random.choice((0, 4)) :]
    if at + len(packed) <= len(content):
        content[at : at + len(packed)] = packed


def _extend(random: Random, content: bytearray) -> None:
    content += random.choice(
        (bytes(_BLOCK), random.randbytes(999), b" " * _BLOCK, b"END" + bytes(77))
    )


def _repeat(random: Random, content: bytearray) -> None:
    """Take blocks away, or write them twice."""
    at = _BLOCK * random.randrange(len(content) // _BLOCK + 1)
    block = content[at : at + _BLOCK * random.choice((1, 2, 5))]
    if random.random() < 0.5:
        content[at:at] = block
    else:
        del content[at : at + len(block)]


def _splice(random: Random, content: bytearray, other: bytes) -> None:
    """Go on as another file, from the beginning of a block or of a card."""
    unit = random.choice((_BLOCK, _BLOCK, _CARD))
    at, there = (unit * random.randrange(len(each) // unit + 1) for each in (content, other))
    content[at:] = other[there:]


_WAYS: tuple[Way, ...] = (
    *(_set_value, _set_value, _set_value, _nudge_value, _nudge_value, _set_keyword, _insert_card),
    *(_insert_card, _delete_card, _swap_cards, _flip_header, flip_any, _flip_data, _flip_data),
    *(_write_number, _write_number, cut_off, _extend, _repeat),
)
