"""Parameters: from what Python people have at hand to the words of a query. No I/O."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.units import Quantity, UnitConversionError, deg, pix

from gateway.core.errors import BadParameter

Number: TypeAlias = float | Quantity
Center: TypeAlias = str | SkyCoord | Quantity | tuple[Number, Number]
Size: TypeAlias = str | Number | tuple[Number, Number]
Hdus: TypeAlias = str | int | Sequence[str | int]


def write_center(center: Center) -> str:
    """Write a centre as it stands in a URL.

    Parameters
    ----------
    center : str, SkyCoord, Quantity of shape (2,), or pair
        A text is taken as it is. A position is brought to ICRS. Numbers without a unit are degrees
        of right ascension and declination, as in a URL; pixels count from 1.

    Raises
    ------
    BadParameter
        It is not one position, or its unit is neither an angle nor the pixel.
    """
    if isinstance(center, str):
        return center
    if isinstance(center, SkyCoord):
        if not center.isscalar:
            raise BadParameter("center", "it takes one position at a time.")
        sky = center.icrs
        return _write("center", (sky.ra, sky.dec))
    return _write("center", center)


def write_size(size: Size) -> str:
    """Write a size as it stands in a URL.

    Parameters
    ----------
    size : str, number, Quantity, or pair
        Full width and height, in this order (`Cutout2D` has the height first); one number is both.
        Numbers without a unit are degrees.

    Raises
    ------
    BadParameter
        It is no number, or its unit is neither an angle nor the pixel.
    """
    return size if isinstance(size, str) else _write("size", size)


def write_hdus(hdus: Hdus) -> str:
    """Write which HDUs are wanted as it stands in a URL.

    Parameters
    ----------
    hdus : str, int, or sequence of them
        Names, and numbers from 0; a text is taken as it is.
    """
    each = [hdus] if isinstance(hdus, str | int) else hdus
    return ",".join(map(str, each))


def _write(name: str, value: Any) -> str:
    """Write numbers in pixels if all are, else in degrees; how many is the query's affair."""
    try:
        numbers = [value] if np.isscalar(value) or _is_scalar(value) else list(value)
        quantities = [n if isinstance(n, Quantity) else Quantity(float(n), deg) for n in numbers]
        unit = pix if all(quantity.unit == pix for quantity in quantities) else deg
        values = [float(quantity.to_value(unit)) for quantity in quantities]
    except (TypeError, ValueError, UnitConversionError) as error:
        raise BadParameter(
            name, "it takes a text as in a URL, or numbers in degrees, another angle or pixels."
        ) from error
    return f"{','.join(map(repr, values))}{unit}"


def _is_scalar(value: Any) -> bool:
    return isinstance(value, Quantity) and value.isscalar
