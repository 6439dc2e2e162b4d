"""Units: the spellings that the query parameters accept. No I/O."""

from enum import Enum
from math import degrees


class Unit(Enum):
    """The unit of a position or a size."""

    PIXEL = "pixel"
    DEGREE = "degree"
    RADIAN = "radian"
    ARCMINUTE = "arcminute"
    ARCSECOND = "arcsecond"

    def to_degrees(self, value: float) -> float:
        """Convert an angle in this unit to degrees."""
        match self:
            case Unit.DEGREE:
                return value
            case Unit.RADIAN:
                return degrees(value)
            case Unit.ARCMINUTE:
                return value / 60
            case Unit.ARCSECOND:
                return value / 3600
            case Unit.PIXEL:
                raise ValueError("a number of pixels is no angle")


def _arc(mark: str, *names: str) -> list[str]:
    """Spell a part of a degree: its mark, or ``a``/``arc``, an optional hyphen and a name."""
    return [mark, *(f"{a}{hyphen}{n}" for a in ("a", "arc") for hyphen in ("", "-") for n in names)]


SPELLINGS: dict[str, Unit] = {
    spelling: unit
    for unit, spellings in (
        (Unit.PIXEL, ["p", "px", "pix", "pixel", "pixels"]),
        (Unit.DEGREE, ["d", "deg", "degree", "degrees"]),
        (Unit.RADIAN, ["rad", "radian", "radians"]),
        (Unit.ARCMINUTE, _arc("'", "min", "minute", "minutes")),
        (Unit.ARCSECOND, _arc('"', "sec", "second", "seconds")),
    )
    for spelling in spellings
}
"""Each accepted spelling, case-sensitive, with its unit."""
