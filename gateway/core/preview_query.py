"""Preview query: the parameters of a picture -> a PreviewQuery, strictly. No I/O."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

from gateway.core.colormap import COLORMAPS
from gateway.core.cuts import Cuts, Limits, Percentile
from gateway.core.errors import BadParameter
from gateway.core.query import PICTURE_PARAMETERS, CutoutQuery, parse_hdus, parse_query, shown
from gateway.core.stretch import STRETCHES

FORMATS = ("png", "jpeg", "webp", "json")
"""What a picture is sent as; json has its numbers only."""

MAX_WIDTH_PX = 8192
DEFAULT_WIDTH_PX = 1024
DEFAULT_CUTS = Percentile(99.5)

_OWN = ("format", "hdu", *PICTURE_PARAMETERS)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WIDTH = re.compile(r"[0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class PreviewQuery:
    """What is to be drawn, and how."""

    format: str
    """One of `FORMATS`."""
    area: CutoutQuery | None
    """The cutout that is drawn; None for the whole image."""
    hdu: int | str | None
    """The HDU that is drawn; None for the first image that the area meets."""
    stretch: str = "asinh"
    """One of `STRETCHES`."""
    cuts: Cuts = DEFAULT_CUTS
    colormap: str = "gray"
    width_px: int = DEFAULT_WIDTH_PX
    """Of the picture, at most."""


def asks_for_picture(parameters: Mapping[str, str]) -> bool:
    """Tell whether a query is one of a picture, rather than of a FITS cutout."""
    return parameters.get("format", "fits") != "fits"


def parse_preview_query(parameters: Mapping[str, str]) -> PreviewQuery:
    """Read the parameters of a picture.

    Raises
    ------
    BadParameter
        A parameter is malformed, unknown or missing.
    """
    given = parameters["format"]
    if given not in FORMATS:
        raise BadParameter(
            "format", f"{shown(given)!r} is not answered; give fits, png, jpeg, webp or json."
        )
    others = {name: text for name, text in parameters.items() if name not in _OWN}
    if "gzip" in others:
        raise BadParameter("gzip", "a picture is never gzipped; leave it out.")
    return PreviewQuery(
        format=given,
        area=parse_query(others) if others else None,
        hdu=_parse_hdu(parameters["hdu"]) if "hdu" in parameters else None,
        stretch=_choose("stretch", parameters.get("stretch", "asinh"), STRETCHES),
        cuts=_parse_cuts(parameters["cuts"]) if "cuts" in parameters else DEFAULT_CUTS,
        colormap=_choose("cmap", parameters.get("cmap", "gray"), COLORMAPS),
        width_px=_parse_width(parameters.get("width", str(DEFAULT_WIDTH_PX))),
    )


def _parse_hdu(text: str) -> int | str:
    wanted = parse_hdus(text)
    if len(wanted) > 1:
        raise BadParameter("hdu", "a picture shows one HDU; name one.")
    return wanted[0]


def _choose(name: str, text: str, accepted: Mapping[str, object]) -> str:
    if text not in accepted:
        raise BadParameter(name, f"{shown(text)!r} is not known; give {', '.join(accepted)}.")
    return text


def _parse_cuts(text: str) -> Cuts:
    if text in {"zscale", "minmax"}:
        return text
    numbers = [each.strip(" \t") for each in text.split(",")]
    if len(numbers) > 2 or not all(_NUMBER.fullmatch(each) for each in numbers):  # noqa: PLR2004
        raise BadParameter(
            "cuts",
            f"{shown(text)!r} is malformed; give zscale, minmax, a percentage as in cuts=99.5, "
            "or two values as in cuts=0,1000.",
        )
    first, *rest = map(float, numbers)
    if not rest:
        if not 0 < first <= 100:  # noqa: PLR2004
            raise BadParameter("cuts", "a percentage lies above 0 and goes up to 100.")
        return Percentile(first)
    if not (first < rest[0] and isfinite(first) and isfinite(rest[0])):
        raise BadParameter("cuts", "give the lower value first; cmap=gray_r turns colours round.")
    return Limits(first, rest[0])


def _parse_width(text: str) -> int:
    width = int(text) if _WIDTH.fullmatch(text) else 0
    if not 0 < width <= MAX_WIDTH_PX:
        raise BadParameter(
            "width", f"{shown(text)!r} is no width; give a number of pixels from 1 to 8192."
        )
    return width
