"""Targets: a table of cutouts -> what is cut from which source, and the name of each file."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from math import nan
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from astropy.coordinates import Angle
from astropy.table import Table
from astropy.units import (
    Quantity,
    Unit,
    UnitBase,
    UnitConversionError,
    UnitsError,
    deg,
    hourangle,
    pix,
)

from gateway.core.errors import RequestError

FORMATS = {
    ".csv": "ascii.csv",
    ".ecsv": "ascii.ecsv",
    ".vot": "votable",
    ".votable": "votable",
    ".xml": "votable",
    ".parquet": "parquet",
}
"""The endings of tables, and what astropy calls their formats."""

_COLUMNS = {
    "source": ("source", "url", "access_url", "path", "file", "filename", "image"),
    "ra": ("ra", "s_ra", "raj2000", "ra_deg", "ra_j2000", "ra_icrs", "right_ascension"),
    "dec": (
        "dec",
        "s_dec",
        "dej2000",
        "decj2000",
        "dec_deg",
        "dec_j2000",
        "de_icrs",
        "declination",
    ),
    "size": ("size",),
}
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_ENDINGS = re.compile(r"(\.(fits?|fts|fz|gz))+$", re.IGNORECASE)
_MARKS = {'"': "arcsec", "'": "arcmin", ",": "x"}


@dataclass(frozen=True, slots=True)
class Target:
    """A cutout that is wanted."""

    source: str
    """A path, an fsspec URL, or the URL of a file at a gateway."""
    ra_deg: float
    """ICRS right ascension; NaN where the table has none."""
    dec_deg: float
    """ICRS declination; NaN where the table has none."""
    size: str
    """As in a URL."""
    file_name: str = ""
    """What the cutout is called."""

    @property
    def center(self) -> str:
        """The position, as in a URL."""
        return f"{self.ra_deg!r},{self.dec_deg!r}"


def is_table(source: str) -> bool:
    """Tell whether a name is that of a table of targets."""
    return Path(source).suffix.lower() in FORMATS


def read_targets(path: Path, size: str | None) -> list[Target]:
    """Read a table of targets; equal rows are one target.

    Parameters
    ----------
    path : Path
        A table with columns ``source``, ``ra``, ``dec`` and, perhaps, ``size``; some other usual
        names are known, in any case. Numbers, also those written as text, are in the unit of
        their column, or in degrees; other texts are sexagesimal hours and degrees, and sizes as
        in a URL.
    size : str or None
        The size where the table has none.

    Raises
    ------
    RequestError
        The table cannot be read, or misses a column.
    OSError
    """
    table = _read(path)
    columns = {name.lower(): table[name] for name in table.colnames}
    sources = _texts(_find(columns, "source"))
    ra_deg = _degrees("ra", _find(columns, "ra"), hourangle)
    dec_deg = _degrees("dec", _find(columns, "dec"), deg)
    if size is None or "size" in columns:
        sizes = [each or size or "" for each in _sizes(_find(columns, "size"))]
    else:
        sizes = [size] * len(table)
    rows = zip(sources, ra_deg, dec_deg, sizes, strict=True)
    return _name(dict.fromkeys(Target(*row) for row in rows))


def _read(path: Path) -> Table:
    try:
        return Table.read(path, format=FORMATS[path.suffix.lower()])
    except ImportError as error:
        raise RequestError(
            "To read Parquet, install the extra: pip install 'ibe-gateway[parquet]'."
        ) from error
    except OSError:
        raise
    except Exception as error:  # each format has errors of its own
        raise RequestError(f"The table {path.name} cannot be read: {error}") from error


def _find(columns: Mapping[str, Any], name: str) -> Any:
    """Find a column by any of its names, the first first."""
    found = next((columns[each] for each in _COLUMNS[name] if each in columns), None)
    if found is None:
        others = ", ".join(_COLUMNS[name][1:]) or "or give --size"
        present = ", ".join(columns) or "none"
        raise RequestError(f"The table has no column {name} ({others}); it has {present}.")
    return found


def _texts(column: Any) -> list[str]:
    """Give the texts of a column, an empty one for what is missing."""
    values, masks = np.asarray(column), np.ma.getmaskarray(np.ma.asarray(column))
    return ["" if mask else str(value) for value, mask in zip(values, masks, strict=True)]


def _degrees(name: str, column: Any, text_unit: UnitBase) -> list[float]:
    """Give the angles of a column, NaN for what is missing."""
    unit = column.unit or deg
    try:
        if column.dtype.kind in "OSU":
            rows = enumerate(_texts(column), 1)
            return [_to_degrees(name, row, text, unit, text_unit) for row, text in rows]
        return [float(angle) for angle in Quantity(_numbers(column), unit).to_value(deg)]
    except UnitConversionError as error:
        raise RequestError(f"The column {name} has no angles: {error}.") from error


def _to_degrees(name: str, row: int, text: str, unit: UnitBase, text_unit: UnitBase) -> float:
    """Read an angle: one cell of hours among plain numbers must not make hours of them all."""
    if not text.strip():
        return nan
    if _NUMBER.fullmatch(text):
        return float(Quantity(float(text), unit).to_value(deg))
    try:
        return float(Angle(text, text_unit).to_value(deg))
    except (ValueError, UnitsError) as error:
        raise RequestError(
            f"Row {row} of the table has a {name} that is no angle: {text!r}."
        ) from error


def _sizes(column: Any) -> list[str]:
    """Give the sizes of a column as in a URL, an empty one for what is missing."""
    if column.dtype.kind in "OSU":
        return _texts(column)
    unit = Unit(column.unit or deg)
    try:
        values, name = (
            (_numbers(column), "px")
            if unit == pix
            else (Quantity(_numbers(column), unit).to_value(deg), "deg")
        )
    except UnitConversionError as error:
        raise RequestError("The column size is neither in pixels nor an angle.") from error
    return ["" if np.isnan(value) else f"{float(value)!r}{name}" for value in values]


def _numbers(column: Any) -> Any:
    return np.ma.filled(np.ma.asarray(column).astype(float), np.nan)


def _name(targets: Iterable[Target]) -> list[Target]:
    """Name the files after source, position and size, so that another run names them alike."""
    named = [replace(target, file_name=f"{_describe(target)}.fits") for target in targets]
    counts = Counter(target.file_name for target in named)
    return [
        target
        if counts[target.file_name] == 1
        else replace(target, file_name=f"{_describe(target)}_{_digest(target)}.fits")
        for target in named
    ]


def _describe(target: Target) -> str:
    stem = _ENDINGS.sub("", PurePosixPath(target.source.partition("?")[0]).name)
    size = "".join(_MARKS.get(character, character) for character in target.size)
    size = re.sub(r"[^\w.+-]", "", size, flags=re.ASCII)
    return f"{stem}_{target.ra_deg:.6f}{target.dec_deg:+.6f}_{size}"


def _digest(target: Target) -> str:
    """Tell apart what has one name: files of one name in two folders, positions within 4 mas."""
    return sha256(f"{target.source} {target.center} {target.size}".encode()).hexdigest()[:8]
