"""Headers: find and read the few cards that matter, edit the few that change. No I/O.

All other cards stay the bytes that they are: FITS 4.0, 4.1 and 4.2 say how one is written, but
archives hold headers that no writer would write again.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

CARD = 80
BLOCK = 2880
VALUE = b"= "  # without it a card has no value (FITS 4.0, 4.1.2.2)

Value = str | int | float | bool | None

# FITS 4.0, 4.2: a string in quotes, or a token up to the comment.
_STRING = re.compile(rb"\s*'((?:[^']|'')*)'")
_INTEGER = re.compile(r"[+-]?[0-9]{1,400}")  # int() would take 1_000, and float() nan
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[EeDd][+-]?[0-9]+)?")
_TOKEN = re.compile(rb"\s*([^/\s]*)")


def pad_to_block(size: int) -> int:
    """Give the length of a header or data unit with its padding (FITS 4.0, 3.1)."""
    return -(-size // BLOCK) * BLOCK


def parse_value(card: bytes) -> Value:
    """Read the value of a card that has a value indicator.

    Returns
    -------
    str, int, float, bool or None
        None for an undefined value (FITS 4.0, 4.1.2.3) and for one that breaks the standard.
    """
    field = card[10:]
    if match := _STRING.match(field):
        return match[1].replace(b"''", b"'").rstrip().decode("latin-1")
    token = _TOKEN.match(field)
    text = token[1].decode("latin-1") if token else ""
    if text in {"T", "F"}:
        return text == "T"
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text.upper().replace("D", "E")) if _FLOAT.fullmatch(text) else None


@dataclass(frozen=True, slots=True)
class Header:
    """The cards of a header as they lie in the file, without END and what follows it."""

    cards: bytes
    """A multiple of 80 bytes."""

    def find(self, keyword: str) -> int:
        """Give the offset of the first card with a keyword and a value, or -1."""
        pattern = keyword.ljust(8).encode() + VALUE
        offset = self.cards.find(pattern)
        while offset >= 0 and offset % CARD:
            offset = self.cards.find(pattern, offset + 1)
        return offset

    def get(self, keyword: str) -> Value:
        """Give the value of the first card with a keyword; None if there is none."""
        offset = self.find(keyword)
        return None if offset < 0 else parse_value(self.cards[offset : offset + CARD])

    def get_int(self, keyword: str, default: int) -> int:
        """Give an integer value, also where it is written as a float; else the default."""
        value = self.get(keyword)
        if isinstance(value, float) and value.is_integer():
            return int(value)
        return value if isinstance(value, int) and not isinstance(value, bool) else default

    def get_str(self, keyword: str) -> str:
        """Give a string value, or an empty one."""
        value = self.get(keyword)
        return value if isinstance(value, str) else ""

    def __iter__(self) -> Iterator[bytes]:
        return (self.cards[i : i + CARD] for i in range(0, len(self.cards), CARD))

    def to_bytes(self) -> bytes:
        """Give the header as it is written: END, and blanks to the end of the block."""
        size = pad_to_block(len(self.cards) + CARD)
        return self.cards + b"END".ljust(size - len(self.cards))
