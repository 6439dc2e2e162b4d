"""Query: the text of a query string -> a CutoutQuery, strictly. No I/O."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from typing import NoReturn
from urllib.parse import unquote_to_bytes

from gateway.core.errors import BadParameter
from gateway.core.units import SPELLINGS, Unit

PICTURE_PARAMETERS = ("stretch", "cuts", "cmap", "width")
"""What only a picture has; it is another `format`."""

_REQUIRED = {"center": "size", "size": "center"}
"""Each with the other one."""
_ACCEPTED = frozenset({*_REQUIRED, "gzip", "hdu", "format"})
_SHOWN = 60  # characters of a caller's text that a message repeats

_NUMBER = r"[ \t]*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)[ \t]*"
_NUMBERS = re.compile(rf"{_NUMBER}(?:,{_NUMBER})?([^0-9+.,][^0-9]*)?")
_INDEX = re.compile(r"[0-9]{1,9}")  # a longer number is no HDU's
_UNITS = "p, px, pix, pixel(s), d, deg, degree(s), rad, radian(s), arcmin or arcsec"

_FLAGS = {
    **dict.fromkeys(("1", "o", "on", "y", "yes", "t", "true"), True),
    **dict.fromkeys(("0", "n", "no", "of", "off", "f", "false"), False),
}


@dataclass(frozen=True, slots=True)
class PixelPosition:
    """A position in FITS pixel coordinates: the centre of the first pixel is (1, 1)."""

    x: float
    y: float

    def __str__(self) -> str:
        return f"{self.x!r},{self.y!r}px"


@dataclass(frozen=True, slots=True)
class SkyPosition:
    """A position on the sky: ICRS (J2000) right ascension and declination."""

    ra_deg: float
    """In [0, 360)."""
    dec_deg: float
    """In [-90, 90]."""

    def __str__(self) -> str:
        return f"{self.ra_deg!r},{self.dec_deg!r}deg"


@dataclass(frozen=True, slots=True)
class PixelSize:
    """Full width and height in pixels, >= 0."""

    x: float
    y: float

    def __str__(self) -> str:
        return f"{self.x!r},{self.y!r}px"


@dataclass(frozen=True, slots=True)
class AngularSize:
    """Full width and height as angles on the sky, in degrees, >= 0."""

    x_deg: float
    y_deg: float

    def __str__(self) -> str:
        return f"{self.x_deg!r},{self.y_deg!r}deg"


@dataclass(frozen=True, slots=True)
class CutoutQuery:
    """What is asked for."""

    center: PixelPosition | SkyPosition
    size: PixelSize | AngularSize
    gzip: bool | None
    """None where the query leaves it to the collection."""
    hdus: tuple[int | str, ...] | None = None
    """The HDUs that are wanted, by number, from 0, or by name; None for all."""

    @property
    def needs_sky(self) -> bool:
        """Whether the answer depends on a world coordinate system."""
        return isinstance(self.center, SkyPosition) or isinstance(self.size, AngularSize)


def split_query(text: str) -> dict[str, str]:
    """Decode a query string into its parameters: ``+`` is a blank, ``%22`` is ``"``.

    Raises
    ------
    BadParameter
        A parameter is repeated, has no name, or is not UTF-8.
    """
    parameters: dict[str, str] = {}
    if not text:
        return parameters
    is_plain = text.isascii() and "%" not in text and "+" not in text
    for pair in text.removesuffix("&").split("&"):
        name, _, value = pair.partition("=")
        if not is_plain:
            name = _decode(name, name)
            value = _decode(name, value)
        if not name:
            raise BadParameter(name, "a parameter needs a name: use center=…&size=…")
        if name in parameters:
            raise BadParameter(shown(name), "it is given more than once; give it once.")
        parameters[name] = value
    return parameters


def parse_query(parameters: Mapping[str, str]) -> CutoutQuery:
    """Read the parameters of a cutout.

    Raises
    ------
    BadParameter
        A parameter is malformed, unknown or missing.
    """
    if not parameters.keys() <= _ACCEPTED:
        _refuse_unknown(parameters)
    if parameters.get("format", "fits") != "fits":
        raise BadParameter("format", "a cutout is fits.")
    if not _REQUIRED.keys() <= parameters.keys():
        _refuse_incomplete(parameters)
    gzip, hdus = parameters.get("gzip"), parameters.get("hdu")
    return CutoutQuery(
        parse_center(parameters["center"]),
        parse_size(parameters["size"]),
        None if gzip is None else parse_flag("gzip", gzip),
        None if hdus is None else parse_hdus(hdus),
    )


def _refuse_unknown(parameters: Mapping[str, str]) -> NoReturn:
    name = next(name for name in parameters if name not in _ACCEPTED)
    if name in PICTURE_PARAMETERS:
        raise BadParameter(name, "it is for pictures; add format=png, jpeg or webp.")
    raise BadParameter(
        shown(name),
        "there is no such parameter; use center, size and, if wanted, gzip, hdu or format.",
    )


def _refuse_incomplete(parameters: Mapping[str, str]) -> NoReturn:
    name, other = next(pair for pair in _REQUIRED.items() if pair[0] not in parameters)
    given = f" when {other} is given" if other in parameters else ""
    raise BadParameter(name, f"it is required{given}, as in center=10.68,41.27&size=2arcmin.")


def parse_center(text: str) -> PixelPosition | SkyPosition:
    """Read ``x,y[unit]``.

    Raises
    ------
    BadParameter
    """
    x, y, unit = _parse_numbers("center", text, "two numbers and one unit: center=x,y[unit]")
    if y is None:
        raise BadParameter("center", "it needs two numbers, as in center=10.68,41.27deg.")
    if unit is Unit.PIXEL:
        return PixelPosition(x, y)
    if unit is not Unit.DEGREE:
        x, y = unit.to_degrees(x), unit.to_degrees(y)
    ra_deg, dec_deg = x % 360.0, y
    if not isfinite(ra_deg):
        raise BadParameter("center", "the right ascension is not a finite number.")
    if not -90 <= dec_deg <= 90:  # noqa: PLR2004 - the poles
        raise BadParameter(
            "center", f"a declination lies between -90 and 90 degrees, not at {dec_deg:.10g}."
        )
    # the remainder of a tiny negative number rounds to 360
    return SkyPosition(0.0 if ra_deg == 360 else ra_deg, dec_deg)  # noqa: PLR2004


@lru_cache(maxsize=256)  # who asks for many cutouts asks for one size
def parse_size(text: str) -> PixelSize | AngularSize:
    """Read ``x[,y][unit]``.

    Raises
    ------
    BadParameter
    """
    x, y, unit = _parse_numbers("size", text, "one or two numbers and one unit: size=x[,y][unit]")
    if y is None:
        y = x
    if x < 0 or y < 0:
        raise BadParameter("size", "a size must not be negative.")
    if unit is Unit.PIXEL:
        return PixelSize(x, y)
    x_deg, y_deg = unit.to_degrees(x), unit.to_degrees(y)
    if not (isfinite(x_deg) and isfinite(y_deg)):
        raise BadParameter("size", "the size is not a finite number.")
    return AngularSize(x_deg, y_deg)


def parse_hdus(text: str) -> tuple[int | str, ...]:
    """Read ``NAME,3,…``: HDUs by number, where the primary one is 0, or by name.

    Raises
    ------
    BadParameter
    """
    wanted = [each.strip(" \t") for each in text.split(",")]
    if not all(wanted):
        raise BadParameter("hdu", "give numbers, from 0, or names of HDUs: hdu=1,FLAGS.")
    return tuple(int(each) if _INDEX.fullmatch(each) else each for each in wanted)


def parse_flag(name: str, text: str) -> bool:
    """Read a flag in any of its spellings, in any case.

    Raises
    ------
    BadParameter
    """
    flag = _FLAGS.get(text)
    if flag is None:
        flag = _FLAGS.get(text.strip(" \t").lower())
    if flag is None:
        raise BadParameter(
            name, f"{shown(text)!r} is neither true (1, on, yes, true) nor false (0, off, no)."
        )
    return flag


def _parse_numbers(name: str, text: str, accepted: str) -> tuple[float, float | None, Unit]:
    match = _NUMBERS.fullmatch(text)
    if match is None:
        raise BadParameter(name, f"{shown(text)!r} is malformed; it takes {accepted}.")
    first, second, spelling = match.groups()
    spelling = (spelling or "deg").strip(" \t")
    unit = SPELLINGS.get(spelling)
    if unit is None:
        raise BadParameter(
            name, f"{shown(spelling)!r} is not a unit; give one of {_UNITS} after the last number."
        )
    x = float(first)
    y = None if second is None else float(second)
    if not (isfinite(x) and (y is None or isfinite(y))):
        raise BadParameter(name, "a number is too large.")
    return x, y, unit


def _decode(name: str, text: str) -> str:
    try:
        return unquote_to_bytes(text.replace("+", " ")).decode()
    except UnicodeDecodeError as error:
        raise BadParameter(shown(name), "it is not valid UTF-8.") from error


def shown(text: str) -> str:
    """Give as much of a caller's text as a message repeats."""
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
